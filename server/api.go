package server

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"

	"gasso/net/signaling"
	"gasso/server/limits"
	"gasso/server/room"
)

// problem is what the API answers when something is refused.
type problem struct {
	Code  string `json:"code"`
	Error string `json:"error"` // for people
	Next  string `json:"next,omitempty"`
}

// publicRoom is what everybody may know of a room.
type publicRoom struct {
	ID          string      `json:"id"`
	Title       string      `json:"title"`
	State       string      `json:"state"` // waiting, live or ended
	Performers  []performer `json:"performers"`
	SinceUnixMS int64       `json:"sinceUnixMs,omitempty"`
	Playlist    string      `json:"playlist"`
}

type performer struct {
	Name string `json:"name"`
}

// cachedStatus spares rooms the questions of many listeners.
type cachedStatus struct {
	room publicRoom
	at   time.Time
}

const statusLife = 500 * time.Millisecond

// serveRoom tells everybody how a room is.
func (s *Server) serveRoom(w http.ResponseWriter, r *http.Request) {
	found, ok := s.registry.Get(r.PathValue("id"))
	if !ok {
		answerError(w, room.ErrUnknownRoom)
		return
	}
	status, err := s.publicStatus(found, time.Now())
	if err != nil {
		answerError(w, err)
		return
	}
	answer(w, http.StatusOK, status)
}

func (s *Server) publicStatus(r *room.Room, now time.Time) (publicRoom, error) {
	s.mu.Lock()
	cached, ok := s.statuses[r.ID()]
	b := s.broadcasts[r.ID()]
	s.mu.Unlock()
	if ok && now.Sub(cached.at) < statusLife {
		return cached.room, nil
	}
	public, err := r.Public()
	if err != nil || b == nil {
		return publicRoom{}, errors.Join(room.ErrUnknownRoom, err)
	}
	p := publicRoom{
		ID: r.ID(), Title: r.Title(), State: b.state(), SinceUnixMS: public.OnAir.SinceUnixMS,
		Performers: []performer{}, Playlist: "/live/room-" + r.ID() + "/" + playlistName,
	}
	for _, name := range public.Performers {
		p.Performers = append(p.Performers, performer{Name: name})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broadcasts[r.ID()] == b { // else the room has ended meanwhile
		s.statuses[r.ID()] = cachedStatus{room: p, at: now}
	}
	return p, nil
}

// roomFor finds the room of a request and checks that the bearer may act in it. It answers itself
// when it returns nil.
func (s *Server) roomFor(w http.ResponseWriter, r *http.Request, roles ...signaling.Role) *room.Room {
	id := r.PathValue("id")
	role, err := s.gate.role(r, id)
	if err != nil {
		answerError(w, err)
		return nil
	}
	if !slices.Contains(roles, role) {
		if r.Header.Get("Authorization") == "" {
			w.Header().Set("WWW-Authenticate", `Bearer realm="gasso"`)
			answer(w, http.StatusUnauthorized, problem{signaling.CodeInvite, "This needs an invite.", "Send Authorization: Bearer TOKEN with the token of a host's link."})
			return nil
		}
		answer(w, http.StatusForbidden, problem{signaling.CodeForbidden, "Your role may not do this.", "Use the token of a host's link."})
		return nil
	}
	found, ok := s.registry.Get(id)
	if !ok {
		answerError(w, room.ErrUnknownRoom)
		return nil
	}
	return found
}

// serveStrips tells hosts and performers the program's strips.
func (s *Server) serveStrips(w http.ResponseWriter, r *http.Request) {
	found := s.roomFor(w, r, signaling.RoleHost, signaling.RolePerformer)
	if found == nil {
		return
	}
	status, err := found.Status()
	if err != nil {
		answerError(w, err)
		return
	}
	strips := []*signaling.StripChanged{}
	for _, who := range status.Participants {
		if who.Strip != nil {
			strips = append(strips, who.Strip)
		}
	}
	answer(w, http.StatusOK, strips)
}

// patchStrip changes one strip; absent fields stay.
func (s *Server) patchStrip(w http.ResponseWriter, r *http.Request) {
	found := s.roomFor(w, r, signaling.RoleHost)
	if found == nil {
		return
	}
	var change signaling.StripSet
	if !readJSON(w, r, &change) {
		return
	}
	who := r.PathValue("participant")
	if change.ParticipantID != "" && change.ParticipantID != who {
		answer(w, http.StatusBadRequest, problem{signaling.CodeBadValue, "participantId is not the one of the address.", "Leave it out."})
		return
	}
	change.ParticipantID = who
	strip, err := found.SetStrip(change)
	if err != nil {
		answerError(w, err)
		return
	}
	answer(w, http.StatusOK, strip)
}

// postOnAir starts or stops the broadcast and tells how it is.
func (s *Server) postOnAir(w http.ResponseWriter, r *http.Request) {
	found := s.roomFor(w, r, signaling.RoleHost)
	if found == nil {
		return
	}
	var wish signaling.OnAir
	if !readJSON(w, r, &wish) {
		return
	}
	if err := found.SetOnAir(wish.Live); err != nil {
		answerError(w, err)
		return
	}
	status, err := found.Status()
	if err != nil {
		answerError(w, err)
		return
	}
	answer(w, http.StatusOK, status.OnAir)
}

// readJSON reads a bounded body whose every field is known. It answers itself when it returns false.
func readJSON(w http.ResponseWriter, r *http.Request, value any) bool {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	err := d.Decode(value)
	if err == nil && d.Decode(&struct{}{}) != io.EOF {
		err = errors.New("something follows the object")
	}
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		answer(w, http.StatusRequestEntityTooLarge, problem{signaling.CodeTooLarge, "The body is too large.", "Send at most 16 KiB."})
	case err != nil:
		answer(w, http.StatusBadRequest, problem{signaling.CodeMalformed, "The body is not the JSON that is expected: " + err.Error() + ".", "Check names and types of the fields."})
	}
	return err == nil
}

func answer(w http.ResponseWriter, code int, value any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(value)
}

// answerError says what was refused, in words and with the fitting status.
func answerError(w http.ResponseWriter, err error) {
	var refused *signaling.Error
	var refusal *limits.Refusal
	switch {
	case errors.Is(err, room.ErrExpiredInvite):
		answer(w, http.StatusUnauthorized, problem{signaling.CodeExpired, "The invite has expired.", "Ask the host for a new one."})
	case errors.Is(err, room.ErrBadInvite):
		answer(w, http.StatusUnauthorized, problem{signaling.CodeInvite, "The invite is not valid for this room.", "Copy the whole link, or ask the host for a new one."})
	case errors.Is(err, room.ErrUnknownRoom), errors.Is(err, room.ErrEnded):
		answer(w, http.StatusNotFound, problem{signaling.CodeUnknownRoom, "There is no such room.", "Check the link."})
	case errors.Is(err, room.ErrUnknownParticipant):
		answer(w, http.StatusNotFound, problem{signaling.CodeUnknownPeer, "There is no such participant in the room.", "List them first."})
	case errors.Is(err, room.ErrRoomExists):
		answer(w, http.StatusConflict, problem{"room-exists", "A room with this id exists already.", "Choose another id."})
	case errors.Is(err, room.ErrBadID):
		answer(w, http.StatusBadRequest, problem{signaling.CodeBadValue, "That is no room id.", "Use 1 to 64 letters, digits, - or _."})
	case errors.As(err, &refusal):
		seconds := strconv.Itoa(max(1, int(refusal.RetryAfter.Seconds())))
		w.Header().Set("Retry-After", seconds)
		answer(w, http.StatusServiceUnavailable, problem{signaling.CodeFull, refusal.Reason, "Try again in " + seconds + " seconds."})
	case errors.As(err, &refused):
		answer(w, statusOf(refused.Code), problem{refused.Code, refused.Message, refused.Next})
	default:
		answer(w, http.StatusInternalServerError, problem{signaling.CodeInternal, "The server could not do this.", "Try again; the server's log says more."})
	}
}

func statusOf(code string) int {
	switch code {
	case signaling.CodeUnknownPeer, signaling.CodeUnknownRoom:
		return http.StatusNotFound
	case signaling.CodeForbidden:
		return http.StatusForbidden
	case signaling.CodeInternal:
		return http.StatusInternalServerError
	}
	return http.StatusBadRequest
}

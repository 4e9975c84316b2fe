package server

import (
	"errors"
	"net/http"
	"time"

	"gasso/net/signaling"
	"gasso/server/room"
	"gasso/server/state"
)

// RoomSpec is a room to create.
type RoomSpec struct {
	ID    string `json:"id"`
	Title string `json:"title,omitempty"`
	Open  bool   `json:"open,omitempty"` // performers need no invite
}

// InviteSpec is an invite to make. The room is created when there is none of that id.
type InviteSpec struct {
	Room    string         `json:"room"`
	Title   string         `json:"title,omitempty"` // of a room that is created
	Role    signaling.Role `json:"role"`
	Seconds int64          `json:"seconds"` // until it expires
}

// Invitation is an invite that was made.
type Invitation struct {
	ID     string         `json:"id"` // to revoke it
	URL    string         `json:"url"`
	Room   string         `json:"room"`
	Role   signaling.Role `json:"role"`
	Expiry time.Time      `json:"expiry"`
}

// revocation makes an invite void.
type revocation struct {
	ID string `json:"id"`
}

// maxInviteLife is how long an invite may be good for.
const maxInviteLife = 366 * 24 * time.Hour

// controlHandler serves the operator's orders on the control socket; whoever can open the socket is
// the operator.
func (s *Server) controlHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /rooms", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, s.registry.Status())
	})
	mux.HandleFunc("GET /rooms/{id}", s.controlStatus)
	mux.HandleFunc("POST /rooms", s.controlCreate)
	mux.HandleFunc("DELETE /rooms/{id}", func(w http.ResponseWriter, r *http.Request) {
		answerDone(w, s.closeRoom(r.PathValue("id")))
	})
	mux.HandleFunc("DELETE /rooms/{id}/participants/{participant}", func(w http.ResponseWriter, r *http.Request) {
		answerDone(w, s.registry.Remove(r.PathValue("id"), r.PathValue("participant")))
	})
	mux.HandleFunc("POST /rooms/{id}/on-air", s.controlOnAir)
	mux.HandleFunc("POST /invites", s.controlInvite)
	mux.HandleFunc("POST /revocations", s.controlRevoke)
	return s.recoverPanic(mux)
}

// answerDone answers with nothing, or with what went wrong.
func answerDone(w http.ResponseWriter, err error) {
	if err != nil {
		answerError(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) controlStatus(w http.ResponseWriter, r *http.Request) {
	found, ok := s.registry.Get(r.PathValue("id"))
	if !ok {
		answerError(w, room.ErrUnknownRoom)
		return
	}
	status, err := found.Status()
	if err != nil {
		answerError(w, err)
		return
	}
	answer(w, http.StatusOK, status)
}

func (s *Server) controlCreate(w http.ResponseWriter, r *http.Request) {
	var spec RoomSpec
	if !readJSON(w, r, &spec) {
		return
	}
	answerDone(w, s.createRoom(state.Room{ID: spec.ID, Title: spec.Title, Open: spec.Open}))
}

func (s *Server) controlOnAir(w http.ResponseWriter, r *http.Request) {
	var wish signaling.OnAir
	if !readJSON(w, r, &wish) {
		return
	}
	found, ok := s.registry.Get(r.PathValue("id"))
	if !ok {
		answerError(w, room.ErrUnknownRoom)
		return
	}
	answerDone(w, found.SetOnAir(wish.Live))
}

func (s *Server) controlInvite(w http.ResponseWriter, r *http.Request) {
	var spec InviteSpec
	if !readJSON(w, r, &spec) {
		return
	}
	life := time.Duration(spec.Seconds) * time.Second
	if spec.Seconds <= 0 || spec.Seconds > int64(maxInviteLife/time.Second) {
		answer(w, http.StatusBadRequest, problem{signaling.CodeBadValue, "An invite is good for a second to a year.", "Use --expires 24h, for example."})
		return
	}
	token, inv, err := s.invites.Issue(spec.Room, spec.Role, time.Now(), life)
	if err != nil {
		answer(w, http.StatusBadRequest, problem{signaling.CodeBadValue, err.Error() + ".", ""})
		return
	}
	err = s.createRoom(state.Room{ID: spec.Room, Title: spec.Title})
	if err != nil && !errors.Is(err, room.ErrRoomExists) {
		answerError(w, err)
		return
	}
	s.log.Info("invite made", "room", inv.Room, "role", inv.Role, "invite", inv.ID, "expiry", inv.Expiry)
	answer(w, http.StatusOK, Invitation{
		ID: inv.ID, URL: s.joinURL(inv.Room, token), Room: inv.Room, Role: inv.Role, Expiry: inv.Expiry,
	})
}

func (s *Server) controlRevoke(w http.ResponseWriter, r *http.Request) {
	var what revocation
	if !readJSON(w, r, &what) {
		return
	}
	if !room.ValidID(what.ID) { // the same letters
		answer(w, http.StatusBadRequest, problem{signaling.CodeBadValue, "That is no invite id.", "Use the id that was printed when the invite was made."})
		return
	}
	answerDone(w, s.store.Revoke(what.ID, time.Now().Add(maxInviteLife)))
}

package spool

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

const (
	identityName  = "identity.json"
	identityDraft = "identity.new"
	identityBytes = 4096 // at most
)

// Identity is who this program was in the room, and what another run needs to be the same.
type Identity struct {
	ParticipantID  string `json:"participantId"`
	ResumeSecret   string `json:"resumeSecret"`
	NextGeneration uint8  `json:"nextGeneration"` // of a publication that would clash with none before
}

// SetIdentity remembers who this program is; an empty identity forgets it. It is written by and by.
func (s *Spool) SetIdentity(id Identity) {
	s.mu.Lock()
	changed := s.identity != id
	s.identity, s.identityNew = id, s.identityNew || changed
	s.mu.Unlock()
	if changed {
		s.lookNow()
	}
}

// saveIdentity writes it, now or when a pause after a failure is over; the caller holds files.
func (s *Spool) saveIdentity(w *writer, now bool) {
	if w.identityPause = max(0, w.identityPause-1); w.identityPause > 0 && !now {
		return
	}
	s.mu.Lock()
	id, changed := s.identity, s.identityNew
	s.identityNew = false
	s.mu.Unlock()
	if !changed {
		return
	}
	if err := s.cfg.Folder.setIdentity(id); err != nil {
		s.cfg.Log.Warn("a restarted program will be somebody new in the room", "error", err)
		s.mu.Lock()
		s.identityNew = true
		s.mu.Unlock()
		w.identityPause = pauseLooks
	}
}

// Identity reads who the program was that had the folder before; empty when that is not known.
func (f *Folder) Identity() (Identity, error) {
	file, err := f.root.Open(identityName)
	if errors.Is(err, os.ErrNotExist) {
		return Identity{}, nil
	}
	if err != nil {
		return Identity{}, fmt.Errorf("read identity: %w", err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, identityBytes))
	if err != nil {
		return Identity{}, fmt.Errorf("read identity: %w", err)
	}
	return decodeIdentity(data)
}

func decodeIdentity(data []byte) (id Identity, err error) {
	if err := json.Unmarshal(data, &id); err != nil {
		return Identity{}, fmt.Errorf("read identity: %w", err)
	}
	return id, nil
}

// setIdentity writes a new file and renames it over the old one, so that a crash leaves one of them whole.
func (f *Folder) setIdentity(id Identity) error {
	if id == (Identity{}) {
		if err := f.root.Remove(identityName); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("forget identity: %w", err)
		}
		return nil
	}
	data, err := json.Marshal(id)
	if err != nil {
		return fmt.Errorf("write identity: %w", err)
	}
	file, err := f.root.OpenFile(identityDraft, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("write identity: %w", err)
	}
	_, err = file.Write(data)
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = f.root.Rename(identityDraft, identityName)
	}
	if err != nil {
		return fmt.Errorf("write identity: %w", err)
	}
	return nil
}

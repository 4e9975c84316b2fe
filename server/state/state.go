// Package state keeps what must survive a restart: rooms, revoked invites, and where each room's
// broadcast stood. It is the door to NATS, whose key-value store runs inside the process, listens
// nowhere and is on disk when a call returns.
package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	startTimeout = 10 * time.Second
	callTimeout  = 5 * time.Second
	maxBytes     = 256 << 20 // on disk
)

// Room is a room that exists without anybody in it.
type Room struct {
	ID      string    `json:"id"`
	Title   string    `json:"title"`
	Open    bool      `json:"open"` // performers need no invite
	Created time.Time `json:"created"`
}

// Broadcast is where a room's broadcast stands: each life has an epoch of its own, media sequence
// numbers go on from one to the next.
type Broadcast struct {
	Epoch        int64 `json:"epoch"`
	NextSequence int64 `json:"nextSequence"`

	OnAir bool      `json:"onAir,omitempty"` // begun and not ended, except by the end of the server
	Seen  time.Time `json:"seen,omitzero"`   // last sign of that life
}

// Store is the state of one server. It may be used from any goroutine.
type Store struct {
	server *server.Server
	conn   *nats.Conn

	rooms, broadcasts, revoked jetstream.KeyValue
}

// Open opens the store in a folder that the server has for itself.
func Open(dir string) (*Store, error) {
	ns, err := server.NewServer(&server.Options{
		ServerName: "gasso", DontListen: true, NoLog: true, NoSigs: true,
		JetStream: true, StoreDir: filepath.Join(dir, "state"), SyncAlways: true,
		JetStreamMaxMemory: 1 << 20, JetStreamMaxStore: maxBytes,
	})
	if err != nil {
		return nil, fmt.Errorf("open state in %s: %w", dir, err)
	}
	ns.Start()
	s := &Store{server: ns}
	if err := s.connect(); err != nil {
		_ = s.Close()
		return nil, fmt.Errorf("open state in %s: %w", dir, err)
	}
	return s, nil
}

func (s *Store) connect() error {
	if !s.server.ReadyForConnections(startTimeout) {
		return errors.New("the store did not start in time: check that the disk works and has room")
	}
	var err error
	if s.conn, err = nats.Connect("", nats.InProcessServer(s.server)); err != nil {
		return err
	}
	js, err := jetstream.New(s.conn)
	if err != nil {
		return err
	}
	for _, b := range []struct {
		kv   *jetstream.KeyValue
		name string
	}{{&s.rooms, "rooms"}, {&s.broadcasts, "broadcasts"}, {&s.revoked, "revoked"}} {
		ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
		*b.kv, err = js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket: b.name, History: 1, Storage: jetstream.FileStorage,
		})
		cancel()
		if err != nil {
			return fmt.Errorf("bucket %s: %w", b.name, err)
		}
	}
	return nil
}

// Close ends the store and waits until it has.
func (s *Store) Close() error {
	if s.conn != nil {
		s.conn.Close()
	}
	s.server.Shutdown()
	s.server.WaitForShutdown()
	return nil
}

// Rooms lists the rooms.
func (s *Store) Rooms() ([]Room, error) {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	list, err := s.rooms.ListKeys(ctx)
	if err != nil {
		return nil, fmt.Errorf("list rooms: %w", err)
	}
	var rooms []Room
	for key := range list.Keys() {
		var r Room
		if _, err := get(ctx, s.rooms, key, &r); err != nil {
			return nil, fmt.Errorf("read room: %w", err)
		}
		if r.ID != "" { // else deleted meanwhile
			rooms = append(rooms, r)
		}
	}
	return rooms, nil
}

// PutRoom adds or changes a room.
func (s *Store) PutRoom(r Room) error {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	return put(ctx, s.rooms, r.ID, r)
}

// DeleteRoom forgets a room; its broadcast's numbers stay, so that a new room of the same id goes on.
func (s *Store) DeleteRoom(id string) error {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	if err := s.rooms.Purge(ctx, id); err != nil {
		return fmt.Errorf("delete room: %w", err)
	}
	return nil
}

// BeginBroadcast opens a new epoch of a room and returns where it starts.
func (s *Store) BeginBroadcast(roomID string) (Broadcast, error) {
	return s.change(roomID, func(b *Broadcast) {
		b.Epoch++
		b.OnAir, b.Seen = true, time.Now().UTC()
	})
}

// EndBroadcast notes that a room is off air by somebody's wish.
func (s *Store) EndBroadcast(roomID string) error {
	_, err := s.change(roomID, func(b *Broadcast) { b.OnAir = false })
	return err
}

// Broadcast tells where a room's broadcast stands; one that never began is zero.
func (s *Store) Broadcast(roomID string) (b Broadcast, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	if _, err = get(ctx, s.broadcasts, roomID, &b); err != nil {
		return Broadcast{}, fmt.Errorf("read broadcast: %w", err)
	}
	return b, nil
}

// SaveSequence notes the next media sequence number; it never goes back, and an epoch that is over
// changes nothing.
func (s *Store) SaveSequence(roomID string, epoch, next int64) error {
	_, err := s.change(roomID, func(b *Broadcast) {
		if b.Epoch == epoch {
			b.NextSequence, b.Seen = max(b.NextSequence, next), time.Now().UTC()
		}
	})
	return err
}

// change is compare-and-set until nobody else came between.
func (s *Store) change(roomID string, edit func(*Broadcast)) (Broadcast, error) {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	for {
		var b Broadcast
		revision, err := get(ctx, s.broadcasts, roomID, &b)
		if err != nil {
			return Broadcast{}, fmt.Errorf("read broadcast: %w", err)
		}
		edit(&b)
		value, err := json.Marshal(b)
		if err != nil {
			return Broadcast{}, err
		}
		if revision == 0 {
			_, err = s.broadcasts.Create(ctx, roomID, value)
		} else {
			_, err = s.broadcasts.Update(ctx, roomID, value, revision)
		}
		if err == nil {
			return b, nil
		}
		if !errors.Is(err, jetstream.ErrKeyExists) {
			return Broadcast{}, fmt.Errorf("write broadcast: %w", err)
		}
	}
}

// Revoke makes an invite void; until is when it would have expired anyhow.
func (s *Store) Revoke(inviteID string, until time.Time) error {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	return put(ctx, s.revoked, inviteID, until)
}

// Revoked tells whether an invite was revoked.
func (s *Store) Revoked(inviteID string) (bool, error) {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	var until time.Time
	revision, err := get(ctx, s.revoked, inviteID, &until)
	if err != nil {
		return false, fmt.Errorf("read revocation: %w", err)
	}
	return revision != 0, nil
}

// Prune forgets revocations of invites that have expired by themselves.
func (s *Store) Prune(now time.Time) error {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	list, err := s.revoked.ListKeys(ctx)
	if err != nil {
		return fmt.Errorf("list revocations: %w", err)
	}
	for key := range list.Keys() {
		var until time.Time
		if _, err := get(ctx, s.revoked, key, &until); err != nil {
			return fmt.Errorf("read revocation: %w", err)
		}
		if now.Before(until) {
			continue
		}
		if err := s.revoked.Purge(ctx, key); err != nil {
			return fmt.Errorf("forget revocation: %w", err)
		}
	}
	return nil
}

// get reads a value; a key that is not there leaves it alone and has revision 0.
func get(ctx context.Context, kv jetstream.KeyValue, key string, value any) (revision uint64, err error) {
	entry, err := kv.Get(ctx, key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return entry.Revision(), json.Unmarshal(entry.Value(), value)
}

func put(ctx context.Context, kv jetstream.KeyValue, key string, value any) error {
	b, err := json.Marshal(value)
	if err != nil {
		return err
	}
	if _, err := kv.Put(ctx, key, b); err != nil {
		return fmt.Errorf("write %s: %w", kv.Bucket(), err)
	}
	return nil
}

package soundrig

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// With runs f with a rig outside of a test. What a test would fail of, or be skipped for, is its error.
// Until it returns, the process's own sound goes to the rig.
func With(f func(r *Rig) error) (err error) {
	s := &scope{}
	defer func() {
		if e, failed := recover().(scopeError); failed {
			err = e.error
		}
		for i := len(s.cleanups) - 1; i >= 0; i-- {
			s.cleanups[i]()
		}
	}()
	r := Start(s)
	for _, entry := range r.env {
		name, value, _ := strings.Cut(entry, "=")
		before, was := os.LookupEnv(name)
		s.Cleanup(func() {
			if was {
				_ = os.Setenv(name, before)
			} else {
				_ = os.Unsetenv(name)
			}
		})
		if err := os.Setenv(name, value); err != nil {
			return fmt.Errorf("use the sound rig: %w", err)
		}
	}
	return f(r)
}

// scope is a T that is no test.
type scope struct{ cleanups []func() }

// scopeError is what a scope panics with to come out of the rig.
type scopeError struct{ error }

func (s *scope) Helper()          {}
func (s *scope) Cleanup(f func()) { s.cleanups = append(s.cleanups, f) }

func (s *scope) Fatal(args ...any) { panic(scopeError{errors.New(fmt.Sprint(args...))}) }
func (s *scope) Skip(args ...any)  { s.Fatal(args...) }

func (s *scope) Fatalf(format string, args ...any) { s.Fatal(fmt.Sprintf(format, args...)) }

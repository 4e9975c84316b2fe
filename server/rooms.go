package server

import "regexp"

var roomID = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$`)

// validRoomID tells whether id can name a room: 1 to 64 lower-case letters, digits and hyphens.
func validRoomID(id string) bool { return roomID.MatchString(id) }

package server

import "regexp"

var roomID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// validRoomID tells whether id can name a room: 1 to 64 letters, digits, - or _.
func validRoomID(id string) bool { return roomID.MatchString(id) }

package signaling

// LinkReport tells everybody, some times a minute and when it changes, how the server receives each
// performer and is received by them: only the server sees on whose side a fault lies.
type LinkReport struct {
	Links []LinkState `json:"links"`
}

// LinkState is the connection between one performer and the server in the last seconds.
type LinkState struct {
	ParticipantID string  `json:"participantId"`
	Heard         bool    `json:"heard"`         // packets come from the performer
	UpLost        float64 `json:"upLostRatio"`   // of the performer's packets on their way to the server, before any repair, 0 to 1
	DownLost      float64 `json:"downLostRatio"` // of the server's packets on their way to the performer, likewise
}

// Type is the name on the wire.
func (*LinkReport) Type() string { return "link-report" }

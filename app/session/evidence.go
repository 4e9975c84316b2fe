package session

// What findings are made from, in a line of statistics. What is not known is left out.

// statsServerView is how the server sees a participant's connection with it, over its last 5 s.
type statsServerView struct {
	ServerHears *bool    `json:"server_hears,omitempty"`
	UpLost      *float64 `json:"server_up_lost_ratio,omitempty"`
	DownLost    *float64 `json:"server_down_lost_ratio,omitempty"`
}

func newStatsServerView(v serverView) (s statsServerView) {
	if v.known {
		s.ServerHears, s.UpLost, s.DownLost = &v.heard, &v.up, &v.down
	}
	return s
}

// statsPaths is what this side and a performer see of the ways between them.
type statsPaths struct {
	DirectLost    *float64 `json:"direct_lost_ratio,omitempty"`
	ForwardedLost *float64 `json:"forwarded_lost_ratio,omitempty"`
	ReachedLost   *float64 `json:"reached_lost_ratio,omitempty"`
	NeedMS        float64  `json:"need_ms"`
	Silent        bool     `json:"silent"`
}

func newStatsPaths(o *theirFigures) statsPaths {
	return statsPaths{
		DirectLost: o.direct.share(), ForwardedLost: o.forwarded.share(), ReachedLost: o.reached.share(),
		NeedMS: inMS(o.need), Silent: o.silent,
	}
}

func (f lossFigure) share() *float64 {
	if !f.known {
		return nil
	}
	return &f.ratio
}

// of is what is known of a performer; nothing for one who is not heard alone.
func (f *figures) of(id string) *theirFigures {
	for i := range f.others {
		if f.others[i].id == id {
			return &f.others[i]
		}
	}
	return &theirFigures{}
}

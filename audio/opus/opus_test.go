package opus

import "testing"

func TestVersion(t *testing.T) { t.Log(Version()) }

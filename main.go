// Gasso lets performers in different places play or talk together with the lowest possible latency
// and broadcast the result live. This is the desktop app; gasso headless is the same without a screen.
package main

import (
	"os"

	"gasso/app"
)

func main() { os.Exit(app.Run(os.Args[1:], os.Stdout, os.Stderr)) }

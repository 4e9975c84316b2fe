package server

import (
	_ "embed" // of the description
	"net/http"
)

// apiBase is what all routes of the API start with.
const apiBase = "/api/v1"

// description is the API in the words of OpenAPI 3.1. A test compares it with the routes.
//
//go:embed openapi.yaml
var description []byte

// serveDescription tells programs what the API is.
func serveDescription(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml") // RFC 9512
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write(description)
}

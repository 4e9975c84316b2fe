package server

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/knadh/koanf/parsers/yaml"

	"gasso/net/signaling"
)

// below follows keys through a decoded document.
func below(t *testing.T, document any, keys ...string) map[string]any {
	t.Helper()
	for _, key := range keys {
		document = document.(map[string]any)[key]
	}
	found, ok := document.(map[string]any)
	if !ok {
		t.Fatalf("%v is not there", keys)
	}
	return found
}

func TestTheDescriptionNamesEveryRouteAndNoOther(t *testing.T) {
	cfg := testConfig(t)
	cfg.FFmpeg = off
	s, _ := start(t, cfg)
	resp, body := ask(t, s, http.MethodGet, apiBase+"/openapi.yaml", "", nil)
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "application/yaml" {
		t.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	document, err := yaml.Parser().Unmarshal([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	if v := document["openapi"]; v != "3.1.0" {
		t.Errorf("openapi is %v", v)
	}
	var served, described []string
	for _, r := range s.routes() {
		if method, path, _ := strings.Cut(r.pattern, " "); strings.HasPrefix(path, "/api/") {
			served = append(served, method+" "+strings.TrimPrefix(path, apiBase))
		}
	}
	for path, operations := range below(t, document, "paths") {
		for method := range operations.(map[string]any) {
			if method != "parameters" {
				described = append(described, strings.ToUpper(method)+" "+path)
			}
		}
	}
	slices.Sort(served)
	slices.Sort(described)
	if !slices.Equal(served, described) {
		t.Errorf("served    %q\ndescribed %q", served, described)
	}
	checkReferences(t, document, document)
}

// checkReferences wants every $ref to lead somewhere.
func checkReferences(t *testing.T, document, part any) {
	t.Helper()
	switch part := part.(type) {
	case map[string]any:
		if to, ok := part["$ref"].(string); ok {
			below(t, document, strings.Split(strings.TrimPrefix(to, "#/"), "/")...)
		}
		for _, p := range part {
			checkReferences(t, document, p)
		}
	case []any:
		for _, p := range part {
			checkReferences(t, document, p)
		}
	}
}

func TestTheDescriptionNamesEveryField(t *testing.T) {
	document, err := yaml.Parser().Unmarshal(description)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]any{
		"Problem": problem{}, "Room": publicRoom{}, "Performer": performer{}, "Strip": signaling.StripChanged{},
		"StripChange": signaling.StripSet{}, "OnAir": signaling.OnAir{}, "OnAirState": signaling.OnAirState{},
	} {
		var fields, described, always []string
		typ := reflect.TypeOf(value)
		for i := range typ.NumField() {
			tag, option, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
			fields = append(fields, tag)
			if option == "" {
				always = append(always, tag)
			}
		}
		schema := below(t, document, "components", "schemas", name)
		for field := range below(t, schema, "properties") {
			described = append(described, field)
		}
		slices.Sort(fields)
		slices.Sort(described)
		if !slices.Equal(fields, described) {
			t.Errorf("%s has %q, described are %q", name, fields, described)
		}
		if schema["additionalProperties"] == false { // a request: everything may be left out
			continue
		}
		if required := fmt.Sprint(schema["required"]); required != fmt.Sprint(always) {
			t.Errorf("%s always has %q, described are %q", name, always, required)
		}
	}
}

// Package registry is the front door for clients of a schema registry: the REST
// interface of Confluent's Schema Registry, version 1 of its media type.
//
// Weir does not keep schemas yet, and the door says so in the interface's own
// words: it is an empty registry in mode READONLY. Everything that reads gets the
// answer that an empty registry gives; everything that writes is refused with the
// code for a read-only registry. Clients that probe for a registry at start go on.
//
// It knows nothing of topics, formats or SQL.
package registry

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// mediaType is what a registry answers with.
const mediaType = "application/vnd.schemaregistry.v1+json"

// Codes of errors: the HTTP status, then two digits.
const (
	subjectNotFound = 40401
	schemaNotFound  = 40403
	noSubjectConfig = 40408
	invalidVersion  = 42202
	readOnly        = 42205
)

// defaultLevel is the compatibility level of a registry where none was set.
const defaultLevel = "BACKWARD"

// Handler returns the registry.
func Handler() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("GET /{$}", always(struct{}{}))
	m.HandleFunc("GET /subjects", always([]string{}))
	m.HandleFunc("GET /schemas", always([]string{}))
	m.HandleFunc("GET /schemas/types", always([]string{}))
	m.HandleFunc("GET /contexts", always([]string{"."}))
	m.HandleFunc("GET /v1/metadata/id", always(map[string]any{"scope": map[string]any{"path": []string{}, "clusters": struct{}{}}}))

	m.HandleFunc("GET /schemas/ids/{id}", noSchema)
	m.HandleFunc("GET /schemas/ids/{id}/{what}", noSchema)
	m.HandleFunc("GET /subjects/{subject}/versions", noSubject)
	m.HandleFunc("GET /subjects/{subject}/versions/{version}", noVersion)
	m.HandleFunc("GET /subjects/{subject}/versions/{version}/{what}", noVersion)
	m.HandleFunc("POST /subjects/{subject}", noSubject) // asks whether a schema is registered
	m.HandleFunc("DELETE /subjects/{subject}", noSubject)
	m.HandleFunc("DELETE /subjects/{subject}/versions/{version}", noVersion)
	m.HandleFunc("POST /compatibility/subjects/{subject}/versions/{version}", noVersion)

	m.HandleFunc("GET /config", always(map[string]string{"compatibilityLevel": defaultLevel}))
	m.HandleFunc("GET /config/{subject}", noConfig)
	m.HandleFunc("GET /mode", always(map[string]string{"mode": "READONLY"}))
	m.HandleFunc("GET /mode/{subject}", noConfig)

	m.HandleFunc("POST /subjects/{subject}/versions", refused)
	for _, path := range []string{"/config", "/config/{subject}", "/mode", "/mode/{subject}"} {
		m.HandleFunc("PUT "+path, refused)
		m.HandleFunc("DELETE "+path, refused)
	}
	m.HandleFunc("/", unknown)
	return m
}

func always(v any) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, v) }
}

func noSubject(w http.ResponseWriter, r *http.Request) {
	fail(w, subjectNotFound, "Subject '%s' not found.", r.PathValue("subject"))
}

func noVersion(w http.ResponseWriter, r *http.Request) {
	v := r.PathValue("version")
	if n, err := strconv.ParseInt(v, 10, 32); v != "latest" && (err != nil || n < 1 && n != -1) {
		fail(w, invalidVersion, "The specified version '%s' is not a valid version id. Allowed values are between [1, 2^31-1] and the string \"latest\"", v)
		return
	}
	noSubject(w, r)
}

func noSchema(w http.ResponseWriter, r *http.Request) {
	fail(w, schemaNotFound, "Schema %s not found", r.PathValue("id"))
}

func noConfig(w http.ResponseWriter, r *http.Request) {
	fail(w, noSubjectConfig, "Subject '%s' does not have subject-level configuration or mode", r.PathValue("subject"))
}

func refused(w http.ResponseWriter, _ *http.Request) {
	fail(w, readOnly, "This registry is read-only: Weir does not keep schemas yet. Formats that need none are JSON, DELIMITED, KAFKA and NATIVE")
}

func unknown(w http.ResponseWriter, r *http.Request) {
	fail(w, http.StatusNotFound, "HTTP 404 Not Found: %s %s", r.Method, r.URL.Path)
}

// fail answers with an error; the status is the first three digits of the code.
func fail(w http.ResponseWriter, code int, format string, args ...any) {
	status := code
	if code >= 1000 {
		status = code / 100
	}
	answer(w, status, map[string]any{"error_code": code, "message": fmt.Sprintf(format, args...)})
}

func answer(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil { // only our own literals come here
		panic(err)
	}
	w.Header().Set("Content-Type", mediaType)
	w.WriteHeader(status)
	w.Write(b) // an error means that the client is gone; there is nobody to tell
}

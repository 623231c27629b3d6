package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// addresses are those that a server really listens on. As JSON they are the content
// of the ready file.
type addresses struct {
	PG       string `json:"pg"`
	Kafka    string `json:"kafka"`
	HTTP     string `json:"http"`
	Registry string `json:"registry"` // a URL
}

// writeReady makes the ready file appear, whole; one that an earlier run has left is
// replaced. Without a name it does nothing.
func writeReady(name string, at addresses) error {
	if name == "" {
		return nil
	}
	b, err := json.Marshal(at)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*")
	if err != nil {
		return fmt.Errorf("--ready-file: %w", err)
	}
	_, err = f.Write(append(b, '\n'))
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return fmt.Errorf("--ready-file: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}

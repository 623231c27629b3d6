package syscat

import (
	"net"
	"strconv"
	"time"

	"github.com/weirdb/weir/internal/vec"
)

// The rows that describe the server rather than relations: one database, one user,
// the session's settings.

func pgNamespaces(s Source, emit emitter) error {
	for _, x := range schemas(s.Catalog()) {
		emit(x.oid, x.name, ownerOID, nil)
	}
	return nil
}

func pgAccessMethods(_ Source, emit emitter) error {
	emit(heapAM, "heap", procOID("heap_tableam_handler"), byte('t'))
	emit(btreeAM, "btree", procOID("bthandler"), byte('i'))
	return nil
}

// pgOpclasses has the operator classes that primary keys use.
func pgOpclasses(_ Source, emit emitter) error {
	for _, c := range operatorClasses {
		key := 0
		if c.typ == vec.OIDName {
			key = 2275 // names are indexed as cstring
		}
		emit(c.oid, btreeAM, c.name, nsCatalog, ownerOID, c.family, c.typ, true, key)
	}
	return nil
}

func pgDatabases(_ Source, emit emitter) error {
	emit(databaseOID, database, ownerOID, encodingUTF8, byte('c'), false, true, -1, 0, 0, spaceDefault, "C", "C.UTF-8", nil, nil, nil)
	return nil
}

const encodingUTF8 = 6

func pgTablespaces(_ Source, emit emitter) error {
	emit(spaceDefault, "pg_default", ownerOID, nil, nil)
	emit(1664, "pg_global", ownerOID, nil, nil)
	return nil
}

// collations compare bytewise, all of them.
var collations = []struct {
	oid      uint32
	name     string
	provider byte
	encoding int
	locale   string
}{{100, "default", 'd', -1, ""}, {950, "C", 'c', -1, "C"}, {951, "POSIX", 'c', -1, "POSIX"}, {12340, "ucs_basic", 'c', encodingUTF8, "C"}}

func pgCollations(_ Source, emit emitter) error {
	for _, c := range collations {
		emit(c.oid, c.name, nsCatalog, ownerOID, c.provider, true, c.encoding, orNull(c.locale), orNull(c.locale), nil, nil)
	}
	return nil
}

func pgAuthids(_ Source, emit emitter) error {
	emit(ownerOID, owner, true, true, true, true, true, true, true, -1, nil, nil)
	return nil
}

func pgRoles(_ Source, emit emitter) error {
	emit(owner, true, true, true, true, true, true, -1, hiddenPassword, nil, true, nil, ownerOID)
	return nil
}

// hiddenPassword is what PostgreSQL shows to everyone instead of a password.
const hiddenPassword = "********"

func pgUsers(_ Source, emit emitter) error {
	emit(owner, ownerOID, true, true, true, true, hiddenPassword, nil, nil)
	return nil
}

func pgShadow(_ Source, emit emitter) error {
	emit(owner, ownerOID, true, true, true, true, nil, nil, nil)
	return nil
}

// settingNames are the settings that PostgreSQL does not spell in lower case.
var settingNames = map[string]string{"datestyle": "DateStyle", "intervalstyle": "IntervalStyle", "timezone": "TimeZone"}

func pgSettings(s Source, emit emitter) error {
	for _, x := range s.Settings() {
		name, context, source := x.Name, "user", "default"
		if n, ok := settingNames[name]; ok {
			name = n
		}
		if x.Fixed {
			context = "internal"
		}
		if x.Value != x.Default {
			source = "session"
		}
		emit(name, x.Value, nil, "Weir", x.About, nil, context, settingType(x.Default), source, nil, nil, nil, x.Default, x.Default, nil, nil, false)
	}
	return nil
}

func settingType(v string) string {
	switch v {
	case "on", "off":
		return "bool"
	}
	if _, err := strconv.Atoi(v); err == nil {
		return "integer"
	}
	return "string"
}

func pgStatActivity(s Source, emit emitter) error {
	for _, x := range s.Sessions() {
		var addr, port, state any
		if host, p, err := net.SplitHostPort(x.Remote); err == nil {
			if n, err := strconv.Atoi(p); err == nil && net.ParseIP(host) != nil {
				addr, port = host, n
			}
		}
		state = "idle"
		if x.Self {
			state = "active"
		}
		emit(databaseOID, x.Database, x.PID, nil, ownerOID, x.User, x.Application, addr, nil, port, instant(x.StartedUnixMs), nil, nil, nil,
			nil, nil, state, nil, nil, nil, "", "client backend")
	}
	return nil
}

func pgStatSSL(s Source, emit emitter) error {
	for _, x := range s.Sessions() {
		emit(x.PID, x.TLS, nil, nil, nil, nil, nil, nil)
	}
	return nil
}

func pgStatGSSAPI(s Source, emit emitter) error {
	for _, x := range s.Sessions() {
		emit(x.PID, false, nil, false)
	}
	return nil
}

func pgStatDatabase(s Source, emit emitter) error {
	emit(databaseOID, database, len(s.Sessions()), nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil,
		nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil)
	return nil
}

func pgStatTables(s Source, emit emitter) error {
	vols := volumes(s)
	for _, c := range userClasses(s.Catalog()) {
		if c.view() {
			continue
		}
		n := c.volume(vols).records
		emit(c.oid, c.schema, c.name, nil, nil, nil, nil, n, nil, nil, nil, n, 0, nil, nil, nil, nil, nil, nil, 0, 0, 0, 0)
	}
	return nil
}

func pgStatioTables(s Source, emit emitter) error {
	for _, c := range userClasses(s.Catalog()) {
		if !c.view() {
			emit(c.oid, c.schema, c.name, nil, nil, nil, nil, nil, nil, nil, nil)
		}
	}
	return nil
}

func pgStatIndexes(s Source, emit emitter) error {
	for _, c := range userClasses(s.Catalog()) {
		if c.key != nil {
			emit(c.oid, c.indexOID(), c.schema, c.name, c.keyName(), nil, nil, nil)
		}
	}
	return nil
}

// pgTimezoneNames has the zones of zoneNames as they stand now.
func pgTimezoneNames(_ Source, emit emitter) error {
	now := time.Now()
	for _, name := range zoneNames() {
		loc, err := time.LoadLocation(name)
		if err != nil {
			continue // this build has no such zone, so it cannot be set either
		}
		t := now.In(loc)
		abbrev, offset := t.Zone()
		emit(name, abbrev, vec.IntervalValue{Micros: int64(offset) * 1e6}, t.IsDST())
	}
	return nil
}

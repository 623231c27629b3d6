package vec

// byOID are the types that PostgreSQL's OIDs name, arrays included.
var byOID = func() map[uint32]Type {
	m := map[uint32]Type{}
	add := func(t Type, oid, array uint32) {
		m[oid] = t
		if array != 0 {
			m[array] = ArrayOf(t)
		}
	}
	for k, info := range kinds {
		if k := Kind(k); k != Array && k != Map && k != Struct && k != Unknown {
			add(Of(k), info.oid, info.array)
		}
	}
	for oid, v := range variants {
		t := Type{Kind: Text, OID: oid}
		switch oid {
		case OIDRegclass, OIDRegtype, OIDRegproc, OIDRegnsp, OIDRegrole, OIDXID:
			t.Kind = OID
		case OIDInt2Vector:
			t = Type{Kind: Array, OID: oid, Elem: &Type{Kind: Int16}}
		case OIDOIDVector:
			t = Type{Kind: Array, OID: oid, Elem: &Type{Kind: OID}}
		}
		add(t, oid, v.array)
	}
	return m
}()

// TypeOfOID returns the type that PostgreSQL clients know by oid. The OID of
// unknown gives the type whose Kind is Unknown.
func TypeOfOID(oid uint32) (Type, bool) {
	if oid == OIDUnknown {
		return Type{}, true
	}
	t, ok := byOID[oid]
	return t, ok
}

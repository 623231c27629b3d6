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
		add(variantType(oid), oid, v.array)
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

package syscat

import (
	"strconv"
	"strings"
	"sync"

	"github.com/weirdb/weir/catalog"
	"github.com/weirdb/weir/internal/vec"
)

// A pgType is a row of pg_type.
type pgType struct {
	oid, namespace uint32
	name           string
	len            int
	byVal          bool
	kind           byte // typtype
	category       byte
	preferred      bool
	delim          string
	relid          uint32
	elem, array    uint32
	io             [4]string // input, output, receive, send
	mod            string    // of typmodin and typmodout, without in and out
	subscript      string
	analyze        string
	align, storage byte
	notNull        bool
	base           uint32
	typmod         int32
	coll           uint32
}

// builtinTypes are PostgreSQL 15's types but for arrays, which builtins adds: OID,
// name, length, by value, kind, category, preferred, OID of the array type, name
// of the I/O functions (without in, out, recv, send, or all four), alignment,
// storage, and what else is not as with most.
const builtinTypes = `
16 bool 1 t b B t 1000 bool c p
17 bytea -1 f b U f 1001 bytea i x
18 char 1 t b Z f 1002 char c p
19 name 64 f b S f 1003 name c p elem=18 coll=950 sub=raw_array_subscript_handler
20 int8 8 t b N f 1016 int8 d p
21 int2 2 t b N f 1005 int2 s p
22 int2vector -1 f b A f 1006 int2vector i p elem=21 sub=array_subscript_handler
23 int4 4 t b N f 1007 int4 i p
24 regproc 4 t b N f 1008 regproc i p
25 text -1 f b S t 1009 text i x coll=100
26 oid 4 t b N t 1028 oid i p
27 tid 6 f b U f 1010 tid s p
28 xid 4 t b U f 1011 xid i p
29 cid 4 t b U f 1012 cid i p
30 oidvector -1 f b A f 1013 oidvector i p elem=26 sub=array_subscript_handler
32 pg_ddl_command 8 t p P f 0 pg_ddl_command_ d p
114 json -1 f b U f 199 json_ i x
142 xml -1 f b U f 143 xml_ i x
194 pg_node_tree -1 f b Z f 0 pg_node_tree_ i x coll=100
269 table_am_handler 4 t p P f 0 table_am_handler_in,table_am_handler_out,-,- i p
325 index_am_handler 4 t p P f 0 index_am_handler_in,index_am_handler_out,-,- i p
600 point 16 f b G f 1017 point_ d p elem=701 sub=raw_array_subscript_handler
601 lseg 32 f b G f 1018 lseg_ d p elem=600 sub=raw_array_subscript_handler
602 path -1 f b G f 1019 path_ d x
603 box 32 f b G f 1020 box_ d p elem=600 sub=raw_array_subscript_handler delim=;
604 polygon -1 f b G f 1027 poly_ d x
628 line 24 f b G f 629 line_ d p elem=701 sub=raw_array_subscript_handler
650 cidr -1 f b I f 651 cidr_ i m
700 float4 4 t b N f 1021 float4 i p
701 float8 8 t b N t 1022 float8 d p
705 unknown -2 f p X f 0 unknown c p
718 circle 24 f b G f 719 circle_ d p
774 macaddr8 8 f b U f 775 macaddr8_ i p
790 money 8 t b N f 791 cash_ d p
829 macaddr 6 f b U f 1040 macaddr_ i p
869 inet -1 f b I t 1041 inet_ i m
1033 aclitem 12 f b U f 1034 aclitemin,aclitemout,-,- i p
1042 bpchar -1 f b S f 1014 bpchar i x coll=100 mod=bpchartypmod
1043 varchar -1 f b S f 1015 varchar i x coll=100 mod=varchartypmod
1082 date 4 t b D f 1182 date_ i p
1083 time 8 t b D f 1183 time_ d p mod=timetypmod
1114 timestamp 8 t b D f 1115 timestamp_ d p mod=timestamptypmod
1184 timestamptz 8 t b D t 1185 timestamptz_ d p mod=timestamptztypmod
1186 interval 16 f b T t 1187 interval_ d p mod=intervaltypmod
1266 timetz 12 f b D f 1270 timetz_ d p mod=timetztypmod
1560 bit -1 f b V f 1561 bit_ i x mod=bittypmod
1562 varbit -1 f b V t 1563 varbit_ i x mod=varbittypmod
1700 numeric -1 f b N f 1231 numeric_ i m mod=numerictypmod
1790 refcursor -1 f b U f 2201 text i x
2202 regprocedure 4 t b N f 2207 regprocedure i p
2203 regoper 4 t b N f 2208 regoper i p
2204 regoperator 4 t b N f 2209 regoperator i p
2205 regclass 4 t b N f 2210 regclass i p
2206 regtype 4 t b N f 2211 regtype i p
2249 record -1 f p P f 2287 record_ d x
2275 cstring -2 f p P f 1263 cstring_ c p
2276 any 4 t p P f 0 any_in,any_out,-,- i p
2277 anyarray -1 f p P f 0 anyarray_ d x
2278 void 4 t p P f 0 void_ i p
2279 trigger 4 t p P f 0 trigger_in,trigger_out,-,- i p
2280 language_handler 4 t p P f 0 language_handler_in,language_handler_out,-,- i p
2281 internal 8 t p P f 0 internal_in,internal_out,-,- d p
2283 anyelement 4 t p P f 0 anyelement_in,anyelement_out,-,- i p
2287 _record -1 f p P f 0 array_ d x elem=2249 sub=array_subscript_handler analyze=array_typanalyze
2776 anynonarray 4 t p P f 0 anynonarray_in,anynonarray_out,-,- i p
2950 uuid 16 f b U f 2951 uuid_ c p
2970 txid_snapshot -1 f b U f 2949 txid_snapshot_ d x
3115 fdw_handler 4 t p P f 0 fdw_handler_in,fdw_handler_out,-,- i p
3220 pg_lsn 8 t b U f 3221 pg_lsn_ d p
3310 tsm_handler 4 t p P f 0 tsm_handler_in,tsm_handler_out,-,- i p
3361 pg_ndistinct -1 f b Z f 0 pg_ndistinct_ i x coll=100
3402 pg_dependencies -1 f b Z f 0 pg_dependencies_ i x coll=100
3500 anyenum 4 t p P f 0 anyenum_in,anyenum_out,-,- i p
3614 tsvector -1 f b U f 3643 tsvector i x analyze=ts_typanalyze
3615 tsquery -1 f b U f 3645 tsquery i p
3642 gtsvector -1 f b U f 3644 gtsvectorin,gtsvectorout,-,- i p
3734 regconfig 4 t b N f 3735 regconfig i p
3769 regdictionary 4 t b N f 3770 regdictionary i p
3802 jsonb -1 f b U f 3807 jsonb_ i x sub=jsonb_subscript_handler
3831 anyrange -1 f p P f 0 anyrange_in,anyrange_out,-,- d x
3838 event_trigger 4 t p P f 0 event_trigger_in,event_trigger_out,-,- i p
3904 int4range -1 f r R f 3905 range_ i x analyze=range_typanalyze
3906 numrange -1 f r R f 3907 range_ i x analyze=range_typanalyze
3908 tsrange -1 f r R f 3909 range_ d x analyze=range_typanalyze
3910 tstzrange -1 f r R f 3911 range_ d x analyze=range_typanalyze
3912 daterange -1 f r R f 3913 range_ i x analyze=range_typanalyze
3926 int8range -1 f r R f 3927 range_ d x analyze=range_typanalyze
4072 jsonpath -1 f b U f 4073 jsonpath_ i x
4089 regnamespace 4 t b N f 4090 regnamespace i p
4096 regrole 4 t b N f 4097 regrole i p
4191 regcollation 4 t b N f 4192 regcollation i p
4451 int4multirange -1 f m R f 6150 multirange_ i x analyze=multirange_typanalyze
4532 nummultirange -1 f m R f 6151 multirange_ i x analyze=multirange_typanalyze
4533 tsmultirange -1 f m R f 6152 multirange_ d x analyze=multirange_typanalyze
4534 tstzmultirange -1 f m R f 6153 multirange_ d x analyze=multirange_typanalyze
4535 datemultirange -1 f m R f 6155 multirange_ i x analyze=multirange_typanalyze
4536 int8multirange -1 f m R f 6157 multirange_ d x analyze=multirange_typanalyze
4537 anymultirange -1 f p P f 0 anymultirange_in,anymultirange_out,-,- d x
4538 anycompatiblemultirange -1 f p P f 0 anycompatiblemultirange_in,anycompatiblemultirange_out,-,- d x
4600 pg_brin_bloom_summary -1 f b Z f 0 brin_bloom_summary_ i x coll=100
4601 pg_brin_minmax_multi_summary -1 f b Z f 0 brin_minmax_multi_summary_ i x coll=100
5017 pg_mcv_list -1 f b Z f 0 pg_mcv_list_ i x coll=100
5038 pg_snapshot -1 f b U f 5039 pg_snapshot_ d x
5069 xid8 8 t b U f 271 xid8 d p
5077 anycompatible 4 t p P f 0 anycompatible_in,anycompatible_out,-,- i p
5078 anycompatiblearray -1 f p P f 0 anycompatiblearray_ d x
5079 anycompatiblenonarray 4 t p P f 0 anycompatiblenonarray_in,anycompatiblenonarray_out,-,- i p
5080 anycompatiblerange -1 f p P f 0 anycompatiblerange_in,anycompatiblerange_out,-,- d x
`

// typeTable is all of PostgreSQL's types.
type typeTable struct {
	all   []*pgType
	byOID map[uint32]*pgType
}

var types = sync.OnceValue(func() *typeTable {
	x := &typeTable{byOID: map[uint32]*pgType{}}
	add := func(t *pgType) {
		x.all = append(x.all, t)
		x.byOID[t.oid] = t
	}
	for _, l := range strings.Split(strings.TrimSpace(builtinTypes), "\n") {
		w := strings.Fields(l)
		t := &pgType{
			oid: number(w[0]), namespace: nsCatalog, name: w[1], byVal: w[3] == "t", kind: w[4][0], category: w[5][0],
			preferred: w[6] == "t", delim: ",", array: number(w[7]), align: w[9][0], storage: w[10][0], typmod: -1,
		}
		t.len, _ = strconv.Atoi(w[2])
		if all := strings.Split(w[8], ","); len(all) == 4 {
			t.io = [4]string(all)
		} else {
			t.io = [4]string{w[8] + "in", w[8] + "out", w[8] + "recv", w[8] + "send"}
		}
		for _, more := range w[11:] {
			switch k, v, _ := strings.Cut(more, "="); k {
			case "elem":
				t.elem = number(v)
			case "coll":
				t.coll = number(v)
			case "mod":
				t.mod = v
			case "sub":
				t.subscript = v
			case "analyze":
				t.analyze = v
			case "delim":
				t.delim = v
			}
		}
		add(t)
	}
	for _, t := range append([]*pgType{}, x.all...) {
		if t.array != 0 && t.array != 2287 { // record[] is a pseudo-type and listed
			add(arrayOf(t))
		}
	}
	for _, d := range []struct {
		name string
		base uint32
		mod  int32
		coll uint32
	}{
		{"cardinal_number", 23, -1, 0}, {"character_data", 1043, -1, 950}, {"sql_identifier", 19, -1, 950},
		{"time_stamp", 1184, 2, 0}, {"yes_or_no", 1043, 7, 950},
	} {
		t := *x.byOID[d.base]
		t.oid, t.namespace, t.name, t.kind, t.preferred = domains[d.name], nsInformation, d.name, 'd', false
		t.io[0], t.io[2], t.mod, t.elem, t.array, t.subscript = "domain_in", "domain_recv", "", 0, domains[d.name]-1, ""
		t.base, t.typmod, t.coll = d.base, d.mod, d.coll
		add(&t)
		add(arrayOf(&t))
	}
	return x
})

func arrayOf(t *pgType) *pgType {
	a := &pgType{
		oid: t.array, namespace: t.namespace, name: "_" + t.name, len: -1, kind: 'b', category: 'A', delim: t.delim, elem: t.oid,
		io: [4]string{"array_in", "array_out", "array_recv", "array_send"}, mod: t.mod, subscript: "array_subscript_handler",
		analyze: "array_typanalyze", align: 'i', storage: 'x', typmod: -1, coll: t.coll,
	}
	if t.align == 'd' {
		a.align = 'd'
	}
	return a
}

func number(s string) uint32 {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		panic("syscat: " + err.Error())
	}
	return uint32(n)
}

// typeOf returns pg_type's row of a type that columns have.
func typeOf(oid uint32) *pgType {
	if t, ok := types().byOID[oid]; ok {
		return t
	}
	return types().byOID[vec.OIDText]
}

// userTypes are the types of CREATE TYPE: composite if they are structs, domains
// otherwise.
func userTypes(c *catalog.Catalog) (out []*pgType) {
	for _, n := range c.Types() {
		oid := catalog.FirstOID + uint32(n.ID)
		if n.Type.Kind == vec.Struct {
			out = append(out, &pgType{
				oid: oid, namespace: nsPublic, name: n.Name, len: -1, kind: 'c', category: 'C', delim: ",", relid: compositeOID(n),
				io: types().byOID[vec.OIDRecord].io, align: 'd', storage: 'x', typmod: -1,
			})
			continue
		}
		t := *typeOf(n.Type.PGOID())
		t.base, t.typmod = t.oid, n.Type.PGTypmod()
		t.oid, t.namespace, t.name, t.kind, t.preferred = oid, nsPublic, n.Name, 'd', false
		t.io[0], t.io[2], t.mod, t.elem, t.array, t.subscript = "domain_in", "domain_recv", "", 0, 0, ""
		out = append(out, &t)
	}
	return out
}

func pgTypes(s Source, emit emitter) error {
	for _, t := range append(types().all[:len(types().all):len(types().all)], userTypes(s.Catalog())...) {
		mod := func(suffix string) uint32 {
			if t.mod == "" {
				return 0
			}
			return procOID(t.mod + suffix)
		}
		emit(t.oid, t.name, t.namespace, ownerOID, t.len, t.byVal, t.kind, t.category, t.preferred, true, t.delim, t.relid,
			procOID(t.subscript), t.elem, t.array, procOID(t.io[0]), procOID(t.io[1]), procOID(t.io[2]), procOID(t.io[3]),
			mod("in"), mod("out"), procOID(t.analyze), t.align, t.storage, t.notNull, t.base, t.typmod, 0, t.coll, nil, nil, nil)
	}
	return nil
}

func pgRanges(_ Source, emit emitter) error {
	for _, r := range []struct {
		oid, sub, multi, opclass uint32
		canonical, diff          string
	}{
		{3904, 23, 4451, 1978, "int4range_canonical", "int4range_subdiff"}, {3906, 1700, 4532, 3125, "", "numrange_subdiff"},
		{3908, 1114, 4533, 3128, "", "tsrange_subdiff"}, {3910, 1184, 4534, 3127, "", "tstzrange_subdiff"},
		{3912, 1082, 4535, 3122, "daterange_canonical", "daterange_subdiff"}, {3926, 20, 4536, 3124, "int8range_canonical", "int8range_subdiff"},
	} {
		emit(r.oid, r.sub, r.multi, 0, r.opclass, procOID(r.canonical), procOID(r.diff))
	}
	return nil
}

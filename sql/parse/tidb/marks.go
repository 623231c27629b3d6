package tidb

// Marks are function calls of the rewritten text that stand for what MySQL's grammar
// has no form for. No user can write one: a user's names are numbers there.
const (
	markOn          = "`$on`"          // DISTINCT ON (a, b)
	markEmpty       = "`$empty`"       // no select list; () in GROUP BY
	markRollup      = "`$rollup`"      // ROLLUP (a, b)
	markCube        = "`$cube`"        // CUBE (a, b)
	markSets        = "`$sets`"        // GROUPING SETS (…)
	markCast        = "`$cast`"        // CAST(x AS t), x::t: x, index of the type
	markTryCast     = "`$trycast`"     // TRY_CAST(x AS t)
	markIndex       = "`$index`"       // x[i]
	markSlice       = "`$slice`"       // x[a:b]
	markField       = "`$field`"       // x->f, (x).f: x, index of the name
	markFields      = "`$fields`"      // x->*, (x).*
	markAny         = "`$any`"         // op ANY (…)
	markAll         = "`$all`"         // op ALL (…)
	markCollate     = "`$collate`"     // x COLLATE n: x, index of the name
	markArray       = "`$array`"       // ARRAY[…]
	markArrayQuery  = "`$arrayquery`"  // ARRAY(query)
	markMap         = "`$map`"         // MAP(k := v)
	markStruct      = "`$struct`"      // STRUCT(n := v): index of the name, v
	markRow         = "`$row`"         // ROW(…)
	markEscape      = "`$escape`"      // LIKE p ESCAPE e: p, e
	markFilter      = "`$filter`"      // f(x) FILTER (WHERE c): f(x), c
	markIgnoreNulls = "`$ignorenulls`" // f(x) IGNORE NULLS
)

// Tags are the words of @`word n` := x, MySQL's loosest prefix: it marks a whole
// expression without a need to know where that ends.
const (
	tagNulls    = "nulls"    // NULLS FIRST (1), LAST (2) on an item of ORDER BY
	tagLimit    = "limit"    // as an item of ORDER BY
	tagOffset   = "offset"   // as an item of ORDER BY
	tagTies     = "ties"     // as an item of ORDER BY
	tagEmit     = "emit"     // as an item of ORDER BY; n is the kind
	tagLock     = "lock"     // as an item of ORDER BY
	tagExclude  = "exclude"  // as an item of a window's ORDER BY; n is what
	tagWithin   = "within"   // on a join's condition; n indexes the durations
	tagUsing    = "using"    // as a join's condition; n indexes the columns
	tagNatural  = "natural"  // as a join's condition
	tagLambda   = "lambda"   // on an argument; n indexes the parameters
	tagDistinct = "distinct" // on a call's first argument
	tagVariadic = "variadic" // on a call's last argument
	tagGroup    = "group"    // WITHIN GROUP: on the argument of GROUP_CONCAT, which holds the ORDER BY
	tagNull     = "null"     // a slice's missing bound
)

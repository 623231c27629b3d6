package format_test

import (
	"fmt"

	"github.com/weirdb/weir/internal/format"
	"github.com/weirdb/weir/internal/vec"
)

func Example() {
	spec := format.Spec{Name: format.JSON, Fields: []vec.Field{
		{Name: "ID", Type: vec.Of(vec.Int64)},
		{Name: "PRICE", Type: vec.DecimalOf(6, 2)},
		{Name: "NOTE", Type: vec.Of(vec.Text)},
	}}
	dec, err := format.NewDecoder(spec, []int{0, 1}) // nobody reads NOTE
	if err != nil {
		fmt.Println(err)
		return
	}
	records := [][]byte{
		[]byte(`{"id": "7", "price": 9.5, "note": {}}`),
		[]byte(`{"id": 8, "price": 9.999}`),
	}
	cols := []*vec.Vec{new(vec.Vec), new(vec.Vec)}
	dec.Decode(records, cols, func(row int, err error) { fmt.Printf("record %d: %v\n", row, err) })

	enc, err := format.NewEncoder(format.Spec{Name: format.Delimited, Fields: spec.Fields[:2]})
	if err != nil {
		fmt.Println(err)
		return
	}
	out, _, err := enc.Append(nil, cols, 0)
	fmt.Printf("%s %v\n", out, err)
	// Output:
	// record 1: field PRICE: cannot read "9.999" as DECIMAL(6, 2): rounding needed
	// 7,9.50 <nil>
}

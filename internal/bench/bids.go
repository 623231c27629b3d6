package main

import (
	"math/rand/v2"
	"strconv"
	"strings"
)

// bidBytes is the size of a bid as JSON, that of a Nexmark bid.
const bidBytes = 201

// Values of the bids' columns: how many an aggregation by each of them finds.
const (
	auctions = 100_000
	bidders  = 1_000
)

// bids are Nexmark's bids, in the two forms that the doors take them in.
type bids struct {
	n    int
	json []byte // n of bidBytes, in the order of the columns
	tsv  []byte // COPY's text format
	ends []int  // of the lines of tsv
}

// bidColumns declares what the bids hold. The last column fills the record up.
const bidColumns = "auction BIGINT, bidder BIGINT, price BIGINT, channel TEXT, url TEXT, date_time BIGINT, extra TEXT"

// firstBid is the event time of the first bid, ms; there are a hundred in each ms.
const firstBid = 1_700_000_000_000

// makeBids makes n bids, of which the first is the from-th of all. auction gives
// the value of that column; nil means one of auctions.
func makeBids(n, from int, auction func(i int) int64) *bids {
	r := rand.New(rand.NewPCG(1, uint64(from)))
	if auction == nil {
		auction = func(int) int64 { return int64(r.IntN(auctions)) }
	}
	b := &bids{n: n, json: make([]byte, 0, n*bidBytes), tsv: make([]byte, 0, n*150), ends: make([]int, 0, n)}
	pad := strings.Repeat("abcdefghijklmnopqrstuvwxyz", 4)
	for i := range n {
		auction, bidder, price := auction(from+i), int64(r.IntN(bidders)), int64(r.IntN(1000))
		channel, url, at := int64(r.IntN(100)), int64(1_000_000+r.IntN(1_000_000)), firstBid+int64((from+i)/100)
		start := len(b.json)
		b.json = strconv.AppendInt(append(b.json, `{"auction":`...), auction, 10)
		b.json = strconv.AppendInt(append(b.json, `,"bidder":`...), bidder, 10)
		b.json = strconv.AppendInt(append(b.json, `,"price":`...), price, 10)
		b.json = strconv.AppendInt(append(b.json, `,"channel":"channel-`...), channel, 10)
		b.json = strconv.AppendInt(append(b.json, `","url":"https://www.nexmark.com/item.htm?id=`...), url, 10)
		b.json = strconv.AppendInt(append(b.json, `","date_time":`...), at, 10)
		b.json = append(b.json, `,"extra":"`...)
		extra := pad[:bidBytes-(len(b.json)-start)-2]
		b.json = append(append(b.json, extra...), `"}`...)

		b.tsv = append(strconv.AppendInt(b.tsv, auction, 10), '\t')
		b.tsv = append(strconv.AppendInt(b.tsv, bidder, 10), '\t')
		b.tsv = append(strconv.AppendInt(b.tsv, price, 10), '\t')
		b.tsv = append(strconv.AppendInt(append(b.tsv, "channel-"...), channel, 10), '\t')
		b.tsv = append(strconv.AppendInt(append(b.tsv, "https://www.nexmark.com/item.htm?id="...), url, 10), '\t')
		b.tsv = append(strconv.AppendInt(b.tsv, at, 10), '\t')
		b.tsv = append(append(b.tsv, extra...), '\n')
		b.ends = append(b.ends, len(b.tsv))
	}
	return b
}

// record is the i-th bid as JSON.
func (b *bids) record(i int) []byte { return b.json[i*bidBytes : (i+1)*bidBytes] }

// values are the columns of the i-th bid as text.
func (b *bids) values(i int) [][]byte {
	start := 0
	if i > 0 {
		start = b.ends[i-1]
	}
	var out [][]byte
	for v := range strings.SplitSeq(string(b.tsv[start:b.ends[i]-1]), "\t") {
		out = append(out, []byte(v))
	}
	return out
}

// createBids is the statement that makes a stream of bids.
func createBids(name string, partitions int) string {
	return "CREATE STREAM " + name + " (" + bidColumns + ") WITH (kafka_topic = '" + name + "', partitions = " +
		strconv.Itoa(partitions) + ", value_format = 'JSON', timestamp = 'date_time')"
}

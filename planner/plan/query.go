package plan

// A Query is a persistent query, cut into stages. Stage i may read only logs of
// the outside world and of stages below i; the last one writes the result.
type Query struct {
	Stages []Stage
}

// A Stage runs as one task per partition. A task owns its partition of every
// input and the state of its operators, and commits to one shard.
type Stage struct {
	Inputs     []StageInput
	Root       Node // its leaves are Input
	Partitions int32
	Sink       Sink
}

// A StageInput is a log that a stage reads.
type StageInput struct {
	// Source is a chain of Filter, Project and Unnest over one Scan, pure: its
	// rows can be computed again at will. Upsert is not pure.
	Source Node
	// Keys, if not nil, tell to which task a row goes: every task pulls its rows
	// from all partitions. Otherwise task p reads partition p alone.
	// They are over the columns of Source.
	Keys []Expr
	// Format encodes the keys for Kafka's partitioner. It has to be that of the
	// topics which the stage reads without keys, so that equal keys meet. With a
	// Name of "" any encoding will do.
	Format Format
	// Broadcast: every task reads all partitions, all rows of them. Keys is nil.
	Broadcast bool
}

// Scan returns the Scan at the bottom of the input.
func (in *StageInput) Scan() *Scan {
	n := in.Source
	for {
		if s, ok := n.(*Scan); ok {
			return s
		}
		n = n.Inputs()[0]
	}
}

// A Sink is the topic that a stage's rows are written to.
type Sink struct {
	Relation uint64 // 0 for the log between two stages
	// Topic has ID 0 for the log between two stages, until the engine has made it:
	// Stage then tells of which stage this is the output.
	Topic Topic
	Codec Codec
	// Key and Value give, for the fields of the codec, the columns of Root.
	Key, Value []int
	// WindowStart and WindowEnd are the columns of Root that hold the window of
	// a windowed key; -1 if none.
	WindowStart, WindowEnd int
	// Table: deletes are written as tombstones and UpdateBefore is not written.
	// A stream writes inserts, and Delete as a NULL value.
	Table bool
	// Changes: the sink is an internal log whose records keep the Op.
	Changes bool
	// TimeColumn is the column of Root that gives the record's timestamp; -1:
	// the row's event time.
	TimeColumn int
	TimeFormat string
}

// InternalTopic is the Topic.Name under which a later stage's Scan refers to the
// output of stage i of the same query, until the engine has made the topic.
func InternalTopic(i int) string { return "\x00stage-" + string(rune('0'+i)) }

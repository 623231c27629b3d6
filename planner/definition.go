package planner

import (
	"github.com/weirdb/weir/catalog"
	"github.com/weirdb/weir/planner/plan"
)

// A Definition is a relation that a statement declares, before it has IDs.
type Definition struct {
	Relation    catalog.Relation // without ID, Topic and Query
	Topic       TopicDef
	OrReplace   bool
	IfNotExists bool
}

// TopicDef is the topic under a relation.
type TopicDef struct {
	Name       string
	Partitions int32 // 0: those of an existing topic, or the server's default
	// MustExist: the statement says nothing to make the topic with.
	MustExist   bool
	Compact     bool
	RetentionMs int64      // 0: the default; negative: for ever
	Like        catalog.ID // the topic whose place a derived one takes; 0: none
}

// A Continuous is a planned persistent query.
type Continuous struct {
	// Definition is the relation that the query makes; its name is empty for
	// INSERT INTO, which writes Into.
	Definition
	Into catalog.ID
	// Name is what the query is called: as WITH (query_id = ...) says, or a prefix
	// that ends in "_", to which the query's number is added.
	Name  string
	Query *plan.Query
	// Sources are the relations it reads.
	Sources []catalog.ID
	// Every, SkipNullKeys and From are as in exec.QuerySpec.
	Every        bool
	SkipNullKeys bool
	From         plan.StartAt
	// Settings are the session settings that the plan depends on.
	Settings map[string]string
}

// Package kafka is the front door that speaks Kafka's protocol: it frames and checks what producers, consumers and
// admin clients send, keeps the membership of consumer groups, and encodes what goes out.
//
// It knows nothing of raft, SQL or the catalog. Topics, logs, appends and committed offsets are the affair of a
// Broker, and the door asks it through the interfaces in broker.go. The line between the two is this: what must
// survive a restart is the Broker's (records, topics, producer ids, committed offsets); who is in a group just now,
// and which generation it is in, is the door's, in memory. After a restart members find the group unknown, join
// again, and go on from the committed offsets, as with a Kafka coordinator that moved.
//
// Requests of a connection are answered in the order they came. Produce requests are pipelined: a request is handed
// to the Broker, in order, while those before it still wait for their commit. Every other request begins when those
// before it are answered, as in Kafka, which has one request of a connection at work.
//
// Record batches pass as the bytes they are. Produce checks them where they lie in the frame; Fetch has the log
// write them into the response.
//
// One goroutine serves a connection, and a second one, for connections that produce, waits for commits and answers.
//
// Messages are those of Kafka's protocol guide; what it leaves open follows Kafka's broker. versions.go lists the
// keys and versions that are announced: what is there is implemented, and nothing else is.
package kafka

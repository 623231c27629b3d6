package demo

// Names of what the demo makes.
const (
	revenueTable = "revenue_per_minute"
	paidStream   = "paid_orders"
	alertStream  = "alerts"
)

// statements are what the demo runs first: three streams over topics, and three
// continuous queries over them. People see them, so they are written to be read.
var statements = []string{
	`CREATE STREAM orders (id BIGINT KEY, at TIMESTAMP, customer TEXT, item TEXT, amount DECIMAL(10, 2))
  WITH (topic = 'orders', partitions = 2, value_format = 'JSON', timestamp = 'at')`,

	`CREATE STREAM payments (order_id BIGINT KEY, at TIMESTAMP, method TEXT, status TEXT)
  WITH (topic = 'payments', partitions = 2, value_format = 'JSON', timestamp = 'at')`,

	`CREATE STREAM shipments (order_id BIGINT KEY, at TIMESTAMP, carrier TEXT)
  WITH (topic = 'shipments', partitions = 2, value_format = 'JSON', timestamp = 'at')`,

	`CREATE TABLE revenue_per_minute AS
  SELECT item, count(*) AS orders, sum(amount) AS revenue
  FROM orders WINDOW TUMBLING (SIZE 1 MINUTE, GRACE PERIOD 1 MINUTE)
  GROUP BY item EMIT CHANGES`,

	`CREATE STREAM paid_orders AS
  SELECT o.id AS id, o.customer AS customer, o.item AS item, o.amount AS amount, p.method AS method
  FROM orders o JOIN payments p WITHIN 10 MINUTES ON o.id = p.order_id
  WHERE p.status = 'paid' EMIT CHANGES`,

	`CREATE STREAM alerts AS
  SELECT order_id, method, 'payment declined' AS reason
  FROM payments WHERE status = 'declined' EMIT CHANGES`,
}

// minutesQuery is what the live table shows: a bounded question about a table that is
// kept up to date.
const minutesQuery = `SELECT to_char(to_timestamp(windowstart / 1000) AT TIME ZONE 'UTC', 'HH24:MI') AS minute, sum(orders)::bigint, sum(revenue)::text,
    (array_agg(item ORDER BY revenue DESC))[1]
  FROM revenue_per_minute GROUP BY windowstart ORDER BY windowstart DESC LIMIT 8`

const (
	alertsQuery = `SELECT order_id, method, reason FROM alerts EMIT CHANGES`
	countQuery  = `SELECT coalesce(sum(orders), 0)::bigint FROM revenue_per_minute`
	lateQuery   = `SELECT coalesce(sum(failures), 0)::bigint FROM weir.tasks
  JOIN weir.queries ON weir.queries.name = weir.tasks.query WHERE sink = 'revenue_per_minute'`
)

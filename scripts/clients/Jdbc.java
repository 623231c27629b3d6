import java.math.BigDecimal;
import java.sql.*;
import java.time.*;
import java.util.*;

/** What pgjdbc does against a node: java Jdbc.java HOST PORT. */
public class Jdbc {
  static void check(boolean ok, String what) { if (!ok) throw new AssertionError(what); }

  static void fails(Connection c, String sql, String state) throws SQLException {
    try (Statement s = c.createStatement()) { s.execute(sql); throw new AssertionError(sql + " did not fail"); }
    catch (SQLException e) { check(state.equals(e.getSQLState()), sql + ": " + e.getSQLState() + " " + e.getMessage()); }
  }

  static void run(String host, String port, String mode) throws Exception {
    try (Connection c = DriverManager.getConnection("jdbc:postgresql://" + host + ":" + port + "/weir?user=weir&preferQueryMode=" + mode);
        Statement s = c.createStatement()) {
      s.execute("DROP TABLE IF EXISTS jdbc_table");
      s.execute("DROP STREAM IF EXISTS jdbc_stream");
      s.execute("CREATE TABLE jdbc_table (id int PRIMARY KEY, a boolean, b bigint, c double precision, d decimal(10, 2), e text, "
          + "f bytea, g date, h time, i timestamp, j timestamptz, k uuid, l int[], m jsonb)");
      s.execute("CREATE STREAM jdbc_stream (id int KEY, v text)");
      UUID id = new UUID(0, 7);
      Object[] row = {1, true, 1L << 40, 2.5, new BigDecimal("123.45"), "naïve 'x'", new byte[] {0, -1}, LocalDate.of(2024, 2, 29),
          LocalTime.of(1, 2, 3), LocalDateTime.of(2024, 2, 29, 1, 2, 3), OffsetDateTime.of(2024, 2, 29, 1, 2, 3, 0, ZoneOffset.UTC), id,
          c.createArrayOf("int4", new Integer[] {1, 2})};
      try (PreparedStatement p = c.prepareStatement("INSERT INTO jdbc_table VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?::jsonb)")) {
        for (int i = 0; i < row.length; i++) p.setObject(i + 1, row[i]);
        p.setString(14, "{\"a\": 1}");
        check(p.executeUpdate() == 1, "one row");
        p.setInt(1, 2);
        for (int i = 2; i <= 14; i++) p.setNull(i, Types.NULL);
        check(p.executeUpdate() == 1, "one row of NULLs");
      }
      for (int round = 0; round < 7; round++) { // from the fifth on, pgjdbc names the statement and asks for binary
        try (PreparedStatement p = c.prepareStatement("SELECT * FROM jdbc_table WHERE id = ?")) {
          p.setInt(1, 1);
          ResultSet r = p.executeQuery();
          check(r.next(), "row 1");
          check(r.getBoolean(2) && r.getLong(3) == 1L << 40 && r.getDouble(4) == 2.5 && r.getBigDecimal(5).equals(row[4]), "numbers");
          check(r.getString(6).equals(row[5]) && Arrays.equals(r.getBytes(7), (byte[]) row[6]), "text, bytes");
          check(r.getObject(8, LocalDate.class).equals(row[7]) && r.getObject(9, LocalTime.class).equals(row[8]), "date, time");
          check(r.getObject(10, LocalDateTime.class).equals(row[9]) && r.getObject(11, OffsetDateTime.class).equals(row[10]), "timestamps");
          check(r.getObject(12).equals(id) && Arrays.equals((Integer[]) r.getArray(13).getArray(), new Integer[] {1, 2}), "uuid, array");
          check(r.getString(14).equals("{\"a\": 1}"), "jsonb " + r.getString(14));
          p.setInt(1, 2);
          r = p.executeQuery();
          check(r.next(), "row 2");
          for (int i = 2; i <= 14; i++) check(r.getObject(i) == null, "NULL in column " + i);
        }
      }
      fails(c, "SELECT * FROM nope", "42P01");
      fails(c, "SELECT nope FROM jdbc_table", "42703");
      try (PreparedStatement p = c.prepareStatement("INSERT INTO jdbc_stream VALUES (?, ?)")) {
        for (int i = 0; i < 10; i++) { p.setInt(1, i); p.setString(2, "v" + i); p.addBatch(); }
        check(p.executeBatch().length == 10, "batch");
      }
      s.execute("SET auto.offset.reset = 'earliest'");
      c.setAutoCommit(false);
      s.executeUpdate("INSERT INTO jdbc_table (id) VALUES (3)");
      c.rollback();
      ResultSet n = s.executeQuery("SELECT count(*) FROM jdbc_table");
      check(n.next() && n.getInt(1) == 2, "rollback");
      if (!mode.equals("simple")) { // a push query, row by row
        try (Statement push = c.createStatement()) {
          push.setFetchSize(1);
          ResultSet r = push.executeQuery("SELECT id FROM jdbc_stream EMIT CHANGES");
          for (int i = 0; i < 3; i++) check(r.next(), "a pushed row");
        }
      }
      c.rollback();
      c.setAutoCommit(true);
      DatabaseMetaData m = c.getMetaData();
      ResultSet t = m.getTables(null, "public", "jdbc%", new String[] {"TABLE"});
      int tables = 0;
      while (t.next()) tables++;
      check(tables == 2, "tables: " + tables);
      ResultSet k = m.getPrimaryKeys(null, "public", "jdbc_table");
      check(k.next() && k.getString("COLUMN_NAME").equals("id"), "primary key");
      ResultSet cols = m.getColumns(null, "public", "jdbc_table", "d");
      check(cols.next() && cols.getInt("DATA_TYPE") == Types.NUMERIC && cols.getInt("DECIMAL_DIGITS") == 2, "columns");
    }
  }

  public static void main(String[] a) {
    try {
      for (String mode : new String[] {"extended", "simple"}) run(a[0], a[1], mode);
      System.out.println("pgjdbc           ok");
    } catch (Throwable e) {
      System.out.println("pgjdbc           FAILED");
      e.printStackTrace();
      System.exit(1);
    }
  }
}

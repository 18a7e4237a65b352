"""The database: connections, pools, and what its errors mean."""

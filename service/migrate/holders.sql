-- What a session waits for, and who is in its way: one row per session that holds it, or is ahead in the queue.
SELECT
    CASE w.locktype
        WHEN 'relation' THEN coalesce(format('%%I.%%I', n.nspname, c.relname), w.relation::text)
        WHEN 'advisory' THEN 'the end of another migration'
        WHEN 'transactionid' THEN 'a row that another transaction has changed'
        ELSE format('a lock of the kind %%s', w.locktype)
    END AS wanted,
    b.pid,
    coalesce(a.usename, '') AS login,
    coalesce(a.application_name, '') AS application,
    coalesce(to_char(a.xact_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), '') AS since,
    coalesce(regexp_replace(left(a.query, 80), '\s+', ' ', 'g'), '') AS query
FROM pg_catalog.pg_locks AS w
CROSS JOIN LATERAL unnest(pg_blocking_pids(w.pid)) AS b (pid)
LEFT JOIN pg_catalog.pg_class AS c ON c.oid = w.relation
LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = b.pid
WHERE w.pid = %s AND NOT w.granted
ORDER BY a.xact_start, b.pid

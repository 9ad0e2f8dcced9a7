-- Takes the lock of whoever projects into this database, if nobody has it. 0x4C454447 is "LEDG"; the lock
-- ends with the connection.
SELECT pg_try_advisory_lock(1279607879, 1)

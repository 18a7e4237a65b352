"""Buffer before the database: readings go to Apache Kafka, and from there to the ledger.

It is for fleets whose peaks are larger than what the database takes, and whose database must be
allowed to be away. Nothing of it is imported where WATTLEDGER_BUFFER is not set.

1. intake.py: what the service puts readings into, in place of the writer; outgoing.py: groups of
   them; sender.py, telling.py: the producer; watch.py, topic.py: whether brokers take anything,
   and how safe it is
2. record.py, raw.py, partitions.py: what a record holds, and where it goes
3. worker.py, consumer.py, own_thread.py, taken.py, progress.py: records come from the topic;
   gateway.py: from gateways' own
4. storing.py, pace.py, keeping.py: into the ledger, and what is refused into quarantine
5. lookout.py: what waits, as the service sees it; signs.py, holdings.py: as a worker does;
   counts.py: what both count; stored_until.py: what a committed offset says
6. address.py: brokers and topic, and how to be let in; faults.py: what senders hear
"""

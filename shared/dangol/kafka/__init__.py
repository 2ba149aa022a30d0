"""The log on Apache Kafka: the only rooms that know aiokafka."""

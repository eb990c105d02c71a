// A long-running Kafka client for tests: takes one JSON command a line on stdin, answers one JSON line each on stdout.
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitionReassignment;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public class Load {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final PrintStream ANSWERS = System.out;
    private static final Map<String, Admin> ADMINS = new ConcurrentHashMap<>();
    private static final Set<String> STOPPED = ConcurrentHashMap.newKeySet();

    private interface Command {
        void run(JsonNode in, ObjectNode out) throws Exception;
    }

    private static final Map<String, Command> COMMANDS = Map.ofEntries(
        Map.entry("create", Load::create),
        Map.entry("grow", Load::grow),
        Map.entry("delete", Load::delete),
        Map.entry("delete_records", Load::deleteRecords),
        Map.entry("alter", Load::alter),
        Map.entry("limit", Load::limit),
        Map.entry("allow", Load::allow),
        Map.entry("forbid", Load::forbid),
        Map.entry("reassign", Load::reassign),
        Map.entry("elect", Load::elect),
        Map.entry("produce", Load::produce),
        Map.entry("stop", (in, out) -> STOPPED.add(in.get("load").asText())),
        Map.entry("transactions", Load::transactions),
        Map.entry("digest", Load::digest));

    public static void main(String[] args) throws Exception {
        System.setOut(System.err); // nothing but answers may stand on stdout
        BufferedReader commands = new BufferedReader(new InputStreamReader(System.in));
        for (String line = commands.readLine(); line != null; line = commands.readLine()) {
            JsonNode in = JSON.readTree(line);
            Thread thread = new Thread(() -> answer(in));
            thread.setDaemon(true);
            thread.start();
        }
    }

    private static void answer(JsonNode in) {
        ObjectNode out = JSON.createObjectNode();
        out.put("id", in.get("id").asLong());
        try {
            COMMANDS.get(in.get("do").asText()).run(in, out);
        } catch (Throwable problem) {
            Throwable cause = problem.getCause() == null ? problem : problem.getCause();
            out.put("error", cause.toString());
        }
        synchronized (ANSWERS) {
            ANSWERS.println(out);
        }
    }

    private static Admin admin(JsonNode in) {
        return ADMINS.computeIfAbsent(in.get("bootstrap").asText(), b -> Admin.create(client(in)));
    }

    // Where the cluster is and, where not everybody may do everything, who we are.
    private static Map<String, Object> client(JsonNode in) {
        Map<String, Object> config = new HashMap<>(strings(in.path("client")));
        config.put("bootstrap.servers", in.get("bootstrap").asText());
        return config;
    }

    private static Map<String, String> strings(JsonNode node) {
        Map<String, String> map = new HashMap<>();
        node.fieldNames().forEachRemaining(name -> map.put(name, node.get(name).asText()));
        return map;
    }

    private static List<Integer> integers(JsonNode node) {
        List<Integer> list = new ArrayList<>();
        node.forEach(n -> list.add(n.asInt()));
        return list;
    }

    private static void create(JsonNode in, ObjectNode out) throws Exception {
        List<NewTopic> topics = new ArrayList<>();
        for (JsonNode topic : in.get("topics")) {
            NewTopic wanted;
            if (in.has("assignment")) {
                Map<Integer, List<Integer>> replicas = new HashMap<>();
                in.get("assignment").forEach(p -> replicas.put(replicas.size(), integers(p)));
                wanted = new NewTopic(topic.asText(), replicas);
            } else {
                wanted = new NewTopic(topic.asText(), Optional.of(in.get("partitions").asInt()), Optional.empty());
            }
            topics.add(wanted.configs(strings(in.get("config"))));
        }
        admin(in).createTopics(topics).all().get();
    }

    private static void grow(JsonNode in, ObjectNode out) throws Exception {
        NewPartitions more = NewPartitions.increaseTo(in.get("partitions").asInt());
        admin(in).createPartitions(Map.of(in.get("topic").asText(), more)).all().get();
    }

    private static void delete(JsonNode in, ObjectNode out) throws Exception {
        admin(in).deleteTopics(strings(in.get("topics")).values()).all().get();
    }

    private static TopicPartition partition(JsonNode in) {
        return new TopicPartition(in.get("topic").asText(), in.get("partition").asInt());
    }

    private static void deleteRecords(JsonNode in, ObjectNode out) throws Exception {
        RecordsToDelete before = RecordsToDelete.beforeOffset(in.get("before").asLong());
        admin(in).deleteRecords(Map.of(partition(in), before)).all().get();
    }

    // For clients that say no name: the rights named, on one resource or on all of its type ("*").
    private static List<AclBinding> rights(JsonNode in) {
        List<AclBinding> bindings = new ArrayList<>();
        ResourceType type = ResourceType.fromString(in.get("type").asText());
        ResourcePattern pattern = new ResourcePattern(type, in.get("name").asText(), PatternType.LITERAL);
        for (JsonNode right : in.get("rights")) {
            AclOperation operation = AclOperation.fromString(right.asText());
            bindings.add(new AclBinding(pattern,
                new AccessControlEntry("User:ANONYMOUS", "*", operation, AclPermissionType.ALLOW)));
        }
        return bindings;
    }

    private static void allow(JsonNode in, ObjectNode out) throws Exception {
        admin(in).createAcls(rights(in)).all().get();
    }

    private static void forbid(JsonNode in, ObjectNode out) throws Exception {
        admin(in).deleteAcls(rights(in).stream().map(AclBinding::toFilter).toList()).all().get();
    }

    private static void alter(JsonNode in, ObjectNode out) throws Exception {
        Collection<AlterConfigOp> settings = new ArrayList<>();
        strings(in.get("config")).forEach(
            (k, v) -> settings.add(new AlterConfigOp(new ConfigEntry(k, v), AlterConfigOp.OpType.SET)));
        ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, in.get("topic").asText());
        admin(in).incrementalAlterConfigs(Map.of(topic, settings)).all().get();
    }

    private static void limit(JsonNode in, ObjectNode out) throws Exception {
        Map<String, String> everybody = new HashMap<>();
        everybody.put(ClientQuotaEntity.CLIENT_ID, null);
        Double rate = in.get("rate").isNull() ? null : in.get("rate").asDouble();
        admin(in).alterClientQuotas(Set.of(new ClientQuotaAlteration(new ClientQuotaEntity(everybody),
            Set.of(new ClientQuotaAlteration.Op(in.get("quota").asText(), rate))))).all().get();
    }

    private static void reassign(JsonNode in, ObjectNode out) throws Exception {
        NewPartitionReassignment to = new NewPartitionReassignment(integers(in.get("replicas")));
        admin(in).alterPartitionReassignments(Map.of(partition(in), Optional.of(to))).all().get();
        while (!admin(in).listPartitionReassignments(Set.of(partition(in))).reassignments().get().isEmpty()) {
            Thread.sleep(50);
        }
    }

    private static void elect(JsonNode in, ObjectNode out) throws Exception {
        admin(in).electLeaders(ElectionType.PREFERRED, Set.of(partition(in))).partitions().get();
    }

    // What a load sends, all of it decided by one seed.
    private static final class Mix {
        final SplittableRandom random;
        final int sizeMin;
        final int sizeMax;
        final int keys;
        final long timestamp;
        final byte[] text = new byte[1 << 16];

        Mix(JsonNode in) {
            random = new SplittableRandom(in.get("seed").asLong());
            sizeMin = in.get("size_min").asInt();
            sizeMax = in.get("size_max").asInt();
            keys = in.get("keys").asInt();
            timestamp = in.get("timestamp").asLong();
            for (int i = 0; i < text.length; i++) {
                text[i] = (byte) (i % 97 < 40 ? random.nextInt(256) : 'a' + i % 7); // halves when compressed
            }
        }

        // Mostly small, sometimes nothing, seldom as large as allowed.
        int size() {
            int draw = random.nextInt(1000);
            int largest = draw < 50 ? 0 : draw < 800 ? 200 : draw < 990 ? 4000 : draw < 999 ? 60_000 : sizeMax;
            return Math.max(sizeMin, Math.min(random.nextInt(largest + 1), sizeMax));
        }

        byte[] bytes(int size) {
            byte[] value = new byte[size];
            int from = random.nextInt(text.length);
            for (int i = 0; i < size; i++) {
                value[i] = text[from + i & text.length - 1];
            }
            return value;
        }

        ProducerRecord<byte[], byte[]> record(String topic, int partition, long n) {
            byte[] key = keys > 0 ? ("key-" + random.nextInt(keys)).getBytes()
                : random.nextInt(4) == 0 ? null : bytes(random.nextInt(40));
            byte[] value = sizeMin == 0 && random.nextInt(50) == 0 ? null : bytes(size());
            Long at = timestamp < 0 ? null : (Long) (timestamp + n);
            ProducerRecord<byte[], byte[]> record = new ProducerRecord<>(topic, partition, at, key, value);
            for (int i = random.nextInt(8) - 5; i > 0; i--) {
                record.headers().add("header-" + i, random.nextInt(3) == 0 ? null : bytes(random.nextInt(30)));
            }
            return record;
        }
    }

    private static KafkaProducer<byte[], byte[]> producer(JsonNode in, String codec, String transactionalId) {
        Map<String, Object> config = client(in);
        config.put("compression.type", codec);
        config.put("max.request.size", 100 << 20);
        config.put("batch.size", in.path("batch_size").asInt(16384));
        config.put("linger.ms", in.path("linger_ms").asInt(2));
        config.put("max.in.flight.requests.per.connection", in.path("in_flight").asInt(5));
        if (transactionalId != null) {
            config.put("transactional.id", transactionalId);
        }
        return new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer());
    }

    // Until `total` records or `seconds` are over, or "stop" names this load; `rate` in records a second, 0 for no limit.
    private static void produce(JsonNode in, ObjectNode out) throws Exception {
        List<KafkaProducer<byte[], byte[]>> producers = new ArrayList<>();
        in.get("codecs").forEach(c -> producers.add(producer(in, c.asText(), null)));
        List<String> topics = new ArrayList<>();
        in.get("topics").forEach(t -> topics.add(t.asText()));
        List<Integer> chosen = integers(in.get("partitions"));
        Mix mix = new Mix(in);
        long total = in.get("total").asLong();
        double rate = in.get("rate").asDouble();
        long start = System.nanoTime();
        long end = start + (long) (in.get("seconds").asDouble() * 1e9);
        AtomicLong acknowledged = new AtomicLong();
        AtomicReference<Exception> failure = new AtomicReference<>();
        long n = 0;
        while (n < total && System.nanoTime() < end && failure.get() == null && !STOPPED.contains(in.get("id").asText())) {
            if (rate > 0 && n > (System.nanoTime() - start) / 1e9 * rate) {
                Thread.sleep(1);
                continue;
            }
            KafkaProducer<byte[], byte[]> producer = producers.get(mix.random.nextInt(producers.size()));
            String topic = topics.get(mix.random.nextInt(topics.size()));
            int partition = chosen.isEmpty() ? mix.random.nextInt(producer.partitionsFor(topic).size())
                : chosen.get(mix.random.nextInt(chosen.size()));
            producer.send(mix.record(topic, partition, n++), (done, problem) -> {
                acknowledged.incrementAndGet();
                failure.compareAndSet(null, problem);
            });
        }
        producers.forEach(KafkaProducer::close);
        if (failure.get() != null) {
            throw failure.get();
        }
        out.put("records", acknowledged.get());
        out.put("seconds", (System.nanoTime() - start) / 1e9);
    }

    // `count` transactions of three records each on one partition, every second one aborted.
    private static void transactions(JsonNode in, ObjectNode out) throws Exception {
        TopicPartition to = partition(in);
        Mix mix = new Mix(in);
        try (KafkaProducer<byte[], byte[]> producer = producer(in, "lz4", "odraz-test-" + to)) {
            producer.initTransactions();
            for (int i = 0; i < in.get("count").asInt(); i++) {
                producer.beginTransaction();
                for (int k = 0; k < 3; k++) {
                    producer.send(mix.record(to.topic(), to.partition(), 3L * i + k));
                }
                if (i % 2 == 0) {
                    producer.commitTransaction();
                } else {
                    producer.abortTransaction();
                }
            }
        }
    }

    // What a consumer sees of [from, to): the number of records and a digest over everything in them.
    private static void digest(JsonNode in, ObjectNode out) throws Exception {
        TopicPartition of = partition(in);
        long to = in.get("to").asLong();
        Map<String, Object> config = client(in);
        config.putAll(Map.of("check.crcs", "true", "isolation.level", "read_uncommitted", "max.partition.fetch.bytes",
            16 << 20));
        MessageDigest digest = MessageDigest.getInstance("SHA-256");
        long records = 0;
        try (var consumer = new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.assign(Set.of(of));
            consumer.seek(of, in.get("from").asLong());
            long deadline = System.nanoTime() + (long) (in.get("seconds").asDouble() * 1e9);
            while (consumer.position(of) < to) {
                if (System.nanoTime() > deadline) {
                    throw new IllegalStateException(of + ": a consumer came to " + consumer.position(of) + " of " + to);
                }
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
                    if (record.offset() < to) {
                        digest.update(flat(record, in.get("timestamp_type").asBoolean()));
                        records++;
                    }
                }
            }
        }
        out.put("records", records);
        out.put("sha256", HexFormat.of().formatHex(digest.digest()));
    }

    private static byte[] flat(ConsumerRecord<byte[], byte[]> record, boolean withType) throws Exception {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        DataOutputStream data = new DataOutputStream(bytes);
        data.writeLong(record.offset());
        data.writeLong(record.timestamp());
        if (withType) {
            data.writeUTF(record.timestampType().name());
        }
        write(data, record.key());
        write(data, record.value());
        for (Header header : record.headers()) {
            data.writeUTF(header.key());
            write(data, header.value());
        }
        return bytes.toByteArray();
    }

    private static void write(DataOutputStream data, byte[] value) throws Exception {
        data.writeInt(value == null ? -1 : value.length);
        data.write(value == null ? new byte[0] : value);
    }
}

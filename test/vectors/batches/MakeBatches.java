// Writes the batches in this folder, as Kafka's own classes write them: java -cp 'LIBS/*' MakeBatches.java FOLDER
// (LIBS: where tools/kafka_jars.py puts a Kafka's jars). test/unit/records_test.c knows what is in them.

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.utils.BufferSupplier;

// Until some 4.x these were in org.apache.kafka.common.record.
import org.apache.kafka.common.record.internal.*;
import org.apache.kafka.common.record.internal.Record;

public class MakeBatches {
    static final long BASE_OFFSET = 1000, BASE_TIMESTAMP = 1700000000000L, APPEND_TIME = 1800000000000L;

    static byte[] text(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static byte[] value(int i) {
        if (i % 7 == 0) return null;
        byte[] value = new byte[i % 7 == 1 ? 0 : i * 23];
        for (int j = 0; j < value.length; j++) value[j] = (byte) ((i * 31 + j * j) % 251);
        return value;
    }

    static Header[] headers(int i) {
        Header[] headers = new Header[i % 4];
        for (int n = 0; n < headers.length; n++) {
            headers[n] = new RecordHeader("h" + n, n == 1 ? null : text("v" + i * n));
        }
        return headers;
    }

    static long timestamp(int i) {
        return BASE_TIMESTAMP + (i % 3 == 2 ? -1000L * i : 1000L * i);
    }

    static MemoryRecordsBuilder builder(String codec, TimestampType type) {
        return new MemoryRecordsBuilder(ByteBuffer.allocate(1 << 20), RecordBatch.MAGIC_VALUE_V2,
            Compression.of(codec).build(), type, BASE_OFFSET, type == TimestampType.LOG_APPEND_TIME ? APPEND_TIME : -1,
            42, (short) 3, 77, false, false, 5, 1 << 20);
    }

    static MemoryRecords many(String codec, TimestampType type) {
        MemoryRecordsBuilder builder = builder(codec, type);
        for (int i = 0; i < 40; i++) {
            builder.append(timestamp(i), i % 5 == 0 ? null : text("key-" + i), value(i), headers(i));
        }
        return builder.build();
    }

    static MemoryRecords large(String codec) {
        MemoryRecordsBuilder builder = builder(codec, TimestampType.CREATE_TIME);
        for (int i = 0; i < 3; i++) {
            byte[] value = new byte[100000];
            for (int j = 0; j < value.length; j++) value[j] = (byte) (i + j / 100);
            builder.append(timestamp(i), text("key-" + i), value, headers(i));
        }
        return builder.build();
    }

    // As the log cleaner does it: of each eight offsets two go, or all of them.
    static MemoryRecords compacted(MemoryRecords records, boolean all) {
        MemoryRecords.RecordFilter filter = new MemoryRecords.RecordFilter(BASE_TIMESTAMP, 500) {
            protected BatchRetentionResult checkBatchRetention(RecordBatch batch) {
                return new BatchRetentionResult(BatchRetention.RETAIN_EMPTY, false);
            }

            protected boolean shouldRetainRecord(RecordBatch batch, Record record) {
                long place = record.offset() % 8;
                return !all && place != 3 && place != 4;
            }
        };
        ByteBuffer to = ByteBuffer.allocate(1 << 20);
        records.filterTo(filter, to, BufferSupplier.NO_CACHING);
        to.flip();
        return MemoryRecords.readableRecords(to);
    }

    static void write(Path folder, String name, MemoryRecords records) throws IOException {
        ByteBuffer buffer = records.buffer();
        Files.write(folder.resolve(name + ".batch"),
            Arrays.copyOfRange(buffer.array(), buffer.position(), buffer.limit()));
    }

    public static void main(String[] arguments) throws IOException {
        Path folder = Path.of(arguments[0]);
        for (String codec : new String[] {"none", "gzip", "snappy", "lz4", "zstd"}) {
            MemoryRecords records = many(codec, TimestampType.CREATE_TIME);
            write(folder, codec, records);
            write(folder, codec + "-append-time", many(codec, TimestampType.LOG_APPEND_TIME));
            write(folder, codec + "-thinned", compacted(records, false));
            if (!codec.equals("none")) write(folder, codec + "-large", large(codec));
        }
        write(folder, "zstd-emptied", compacted(many("zstd", TimestampType.CREATE_TIME), true));
    }
}

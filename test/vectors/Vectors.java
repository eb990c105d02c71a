// Writes one line for every message, version and variant with Kafka's own classes: test/vectors/make.py runs it.
//
// The values follow a rule that test/unit/message_vector_test.c follows too: see the tables there. Both sides name a
// field as Kafka's schema does, so a field that is swapped, missing or mistyped shows up as other bytes.

import java.lang.reflect.Field;
import java.lang.reflect.ParameterizedType;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HexFormat;
import java.util.Map;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.TaggedFields;
import org.apache.kafka.common.protocol.types.Type;

public class Vectors {
    enum Variant { FILLED, EMPTY, DEFAULT, LONG }

    static final int LONG_SIZE = 130;

    public static void main(String[] keys) throws Exception {
        for (String key : keys) {
            ApiMessageType api = ApiMessageType.fromApiKey(Short.parseShort(key));
            for (int v = api.lowestSupportedVersion(); v <= api.highestSupportedVersion(false); v++) {
                for (Variant variant : Variant.values()) {
                    write(api.newRequest(), api.requestSchemas()[v], (short) v, variant);
                    write(api.newResponse(), api.responseSchemas()[v], (short) v, variant);
                }
            }
        }
    }

    static void write(ApiMessage message, Schema schema, short version, Variant variant) throws Exception {
        fill(message, schema, variant, 0);
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBufferAccessor out = new ByteBufferAccessor(ByteBuffer.allocate(message.size(cache, version)));
        message.write(out, cache, version);
        String name = message.getClass().getSimpleName().replaceFirst("Data$", "");
        String snake = name.replaceAll("([a-z])([A-Z])", "$1_$2").toLowerCase();
        System.out.println(snake + " " + version + " " + variant.name().toLowerCase() + " "
            + HexFormat.of().formatHex(out.buffer().array()));
    }

    static void fill(Object struct, Schema schema, Variant variant, int index) throws Exception {
        for (BoundField bound : schema.fields()) {
            if (bound.def.type instanceof TaggedFields) {
                for (var tagged : tagged((TaggedFields) bound.def.type).values()) {
                    set(struct, tagged.name, tagged.type, variant, index);
                }
            } else {
                set(struct, bound.def.name, bound.def.type, variant, index);
            }
        }
    }

    // 3.9 has no accessor for it.
    @SuppressWarnings("unchecked")
    static Map<Integer, org.apache.kafka.common.protocol.types.Field> tagged(TaggedFields type) throws Exception {
        return (Map<Integer, org.apache.kafka.common.protocol.types.Field>) find(TaggedFields.class, "fields").get(type);
    }

    static void set(Object struct, String name, Type type, Variant variant, int index) throws Exception {
        Field field = find(struct.getClass(), name);
        if (type instanceof Schema && field.get(struct) == null) {
            if (variant == Variant.EMPTY || variant == Variant.DEFAULT) return;
            field.set(struct, field.getType().getDeclaredConstructor().newInstance());
            fill(field.get(struct), (Schema) type, variant, 0);
        } else if (type instanceof Schema) {
            fill(field.get(struct), (Schema) type, variant, index);
        } else if (type.isArray()) {
            Object array = array(field, name, type, variant);
            if (array != field) field.set(struct, array);
        } else if (variant != Variant.DEFAULT) {
            field.set(struct, value(field.getType(), name, type.isNullable(), variant, index));
        }
    }

    static Field find(Class<?> type, String name) throws NoSuchFieldException {
        for (Field field : type.getDeclaredFields()) {
            if (field.getName().equalsIgnoreCase(name.replace("_", ""))) {
                field.setAccessible(true);
                return field;
            }
        }
        throw new NoSuchFieldException(type + " " + name);
    }

    // The elements of an array; the field itself stands for "leave it as it is".
    @SuppressWarnings("unchecked")
    static Object array(Field field, String name, Type type, Variant variant) throws Exception {
        Type element = type.arrayElementType().get();
        boolean structs = element instanceof Schema;
        if (variant == Variant.DEFAULT && !structs) return field;
        if (variant == Variant.EMPTY && type.isNullable()) return null;
        int count = switch (variant) {
            case FILLED -> 2;
            case EMPTY -> 0;
            case DEFAULT -> 1;
            case LONG -> structs ? 1 : LONG_SIZE;
        };
        boolean list = field.getType() == java.util.List.class;
        Collection<Object> out = list ? new ArrayList<>()
            : (Collection<Object>) field.getType().getDeclaredConstructor().newInstance();
        var generic = list ? field.getGenericType() : field.getType().getGenericSuperclass();
        Class<?> of = (Class<?>) ((ParameterizedType) generic).getActualTypeArguments()[0];
        for (int i = 0; i < count; i++) {
            if (structs) {
                Object struct = of.getDeclaredConstructor().newInstance();
                fill(struct, (Schema) element, variant, i);
                out.add(struct);
            } else {
                // A long array of long strings would be most of the file.
                out.add(value(of, name, false, variant == Variant.LONG ? Variant.FILLED : variant, i));
            }
        }
        if (out.size() != count) throw new IllegalStateException(name + ": equal elements");
        return out;
    }

    static int hash(String name, int index) {
        int hash = 0x811c9dc5;
        for (byte b : name.getBytes(StandardCharsets.UTF_8)) hash = (hash ^ b) * 0x01000193;
        return hash + index * 0x9e3779b9;
    }

    static Object value(Class<?> type, String name, boolean nullable, Variant variant, int index) {
        boolean empty = variant == Variant.EMPTY;
        int hash = empty ? -1 : hash(name, index);
        if (type == boolean.class) return (hash & 1) == 1;
        if (type == byte.class || type == Byte.class) return (byte) hash;
        if (type == short.class || type == Short.class) return (short) hash;
        if (type == int.class || type == Integer.class) return hash;
        if (type == long.class || type == Long.class) return empty ? -1L : (long) hash << 32 | (~hash & 0xffffffffL);
        if (type == double.class) return hash / 8.0;
        if (type == Uuid.class) return empty ? Uuid.ZERO_UUID : new Uuid((long) hash << 32 | 7, hash & 0xffffffffL);
        if (empty && nullable) return null;
        String text = empty ? "" : name + index;
        if (variant == Variant.LONG) text = text.repeat(LONG_SIZE).substring(0, LONG_SIZE);
        if (type == String.class) return text;
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        if (type == byte[].class) return bytes;
        if (type == ByteBuffer.class) return ByteBuffer.wrap(bytes);
        if (type.getSimpleName().equals("BaseRecords")) return records(type.getPackageName(), bytes);
        throw new IllegalStateException(name + ": " + type);
    }

    // The package of the records differs between 3.9 and 4.3.
    static Object records(String inPackage, byte[] bytes) {
        try {
            Class<?> type = Class.forName(inPackage + ".MemoryRecords");
            return type.getMethod("readableRecords", ByteBuffer.class).invoke(null, ByteBuffer.wrap(bytes));
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(e);
        }
    }
}

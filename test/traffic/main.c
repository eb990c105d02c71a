// traffic: fills topics, counts, and compares two clusters, over the ordinary protocol; for the demo and for tests.
//
//   traffic fill BOOTSTRAP PARTITIONS REPLICAS RECORDS RATE SEED TOPIC...
//   traffic count BOOTSTRAP TOPIC...
//   traffic compare SOURCE DESTINATION SECONDS TOPIC...
#include "traffic/client.h"
#include "traffic/traffic.h"

#define VALUE_SIZE_MAX 1000

int main(int count, char **words) {
    const char *verb = count > 1 ? words[1] : "";
    if (strcmp(verb, "fill") == 0 && count > 8) {
        struct fill_options o = {.bootstrap = words[2],
                                 .topics = (const char **)words + 8,
                                 .topics_count = count - 8,
                                 .partitions = (int32_t)client_number(words[3]),
                                 .replicas = (int16_t)client_number(words[4]),
                                 .records = client_number(words[5]),
                                 .rate = client_number(words[6]),
                                 .value_size_max = VALUE_SIZE_MAX,
                                 .seed = (uint64_t)client_number(words[7])};
        return fill(&o);
    }
    if (strcmp(verb, "count") == 0 && count > 3) return count_records(words[2], (const char **)words + 3, count - 3);
    if (strcmp(verb, "compare") == 0 && count > 5)
        return compare(words[2], words[3], (const char **)words + 5, count - 5, (int32_t)client_number(words[4]));
    client_fail("expected fill, count or compare and what they take: see test/traffic/main.c");
}

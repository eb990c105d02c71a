// `odraz broker`: the modelled cluster on real sockets.
#pragma once

// The words after "broker". Answers the exit code.
int broker_command(int count, char **words);
extern const char broker_usage[];

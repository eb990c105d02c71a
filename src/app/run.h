// `odraz run FILE`.
#pragma once

// Answers the exit code: 0 after SIGTERM or SIGINT, 2 when the file cannot be used, 1 when the program cannot run.
int run_command(const char *file_name);

#pragma once

#include <string>

#include "scanmf/core/types.hpp"

namespace scanmf::io {

/// The file that `name` means, symbolic links followed: replacing a link by a file would surprise. Throws Error for
/// what is not a file.
std::string resolve_target(const std::string& name);

/// The name of a file that may not exist yet, without links: those of the folders, and of the file itself, also where
/// they lead to nothing.
std::string resolved_name(const std::string& name);

/// A new name, which nobody can know before, for the file that becomes `target`. It is never too long for a file system
/// where the target's is not.
std::string temporary_name(const std::string& target);

/// Name under which the previous generation of `target` is kept.
inline std::string previous_name(const std::string& target) { return target + ".prev"; }

/// Local. Removes files and folders with the names of temporaries of `target` whose process does not run any more:
/// those of this host, or with `all_hosts` those of every host but running ones of this host (for who knows that nobody
/// else writes this target).
void remove_stale_temporaries(const std::string& target, bool all_hosts = false);

/// "host" of this process, as temporaries and locks name it.
std::string host_name();

/// True when process `pid` of this host runs (or cannot be asked).
bool process_runs(Index pid);

/// The folder of a file, "." where its name has none.
std::string folder_of(const std::string& path);

}  // namespace scanmf::io

#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace scanmf {

/// The candidate that is most like `name`: fewest inserted, deleted, replaced or swapped neighbouring characters, upper
/// and lower case and '_' and '-' being the same. Empty when there are no candidates.
std::string nearest_name(std::string_view name, const std::vector<std::string>& candidates);

/// The same where it may have been meant: at most a third of its characters differ, or one is part of the other. Else
/// empty.
std::string near_name(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace scanmf

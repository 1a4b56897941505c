#pragma once

#include "scanmf/data/data_source.hpp"

namespace scanmf::data {

/// Collective. Visits every block of all batches. A visitor that throws on one rank fails on all of them (AgreedError).
template <Scalar T, class Visitor>
void visit_all(DataSource<T>& x, Visitor&& visitor) {
  x.communicator().agree([&] {
    for (Index batch = 0; batch < x.partition().batches(); ++batch) x.visit(batch, visitor);
  });
}

}  // namespace scanmf::data

#include "scanmf/core/error.hpp"
#include "scanmf/init/initial_factors.hpp"
namespace scanmf {
template <Scalar T>
[[gnu::weak]] Factors<T> nndsvd_factors(DataSource<T>&, Index, std::uint32_t, NndsvdVariant, bool) {
  throw Error("nndsvd later");
}
template <Scalar T>
[[gnu::weak]] Factors<T> custom_factors(const DataSource<T>&, Index, const std::string&, const std::string&) {
  throw Error("custom later");
}
template Factors<float> nndsvd_factors(DataSource<float>&, Index, std::uint32_t, NndsvdVariant, bool);
template Factors<double> nndsvd_factors(DataSource<double>&, Index, std::uint32_t, NndsvdVariant, bool);
template Factors<float> custom_factors(const DataSource<float>&, Index, const std::string&, const std::string&);
template Factors<double> custom_factors(const DataSource<double>&, Index, const std::string&, const std::string&);
}  // namespace scanmf

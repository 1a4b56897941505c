#include "scanmf/estimator/estimator.hpp"

#include <fmt/format.h>

#include <cmath>
#include <random>

#include "estimator/gram_memory.hpp"
#include "estimator/iteration.hpp"
#include "estimator/nmf.hpp"
#include "estimator/observed_loss.hpp"
#include "estimator/started_with.hpp"
#include "scanmf/core/log.hpp"
#include "scanmf/core/team.hpp"
#include "scanmf/linalg/column_grams.hpp"

namespace scanmf {
namespace {

/// Draws from numpy's stream up to this many; beyond, the counter-based stream needs no generation from the start.
constexpr Index numpy_draws_limit = Index{1} << 26;

/// scikit-learn's messages on custom factors name NMF for MiniBatchNMF, too.
constexpr const char* custom_name = "NMF";

bool is_mini_batch(const Parameters& parameters) { return parameters.estimator == Estimator::minibatch_nmf; }

bool is_nndsvd(Init init) { return init == Init::nndsvd || init == Init::nndsvda || init == Init::nndsvdar; }

template <Scalar T>
void check_zeros(const DataSource<T>& x, const Parameters& parameters) {
  if (!loss_of(parameters.beta_loss).allows_zeros && x.summary().has_zeros(x.shape()))
    throw AgreedError(
        "When beta_loss <= 0 and X contains zeros, the solver may diverge. Please add small values to X, or use a "
        "positive beta_loss.");
}

template <Scalar T>
void check_init(const DataSource<T>& x, const Parameters& parameters, Index n_components) {
  const Shape shape = x.shape();
  if (is_nndsvd(parameters.init) && n_components > std::min(shape.rows, shape.columns))
    throw AgreedError(
        fmt::format("init = '{}' can only be used when n_components <= min(n_samples, n_features): {} > min({}, {})",
                    name_of(parameters.init), n_components, shape.rows, shape.columns));
  if (is_nndsvd(parameters.init) && x.summary().missing > 0)
    throw AgreedError(
        fmt::format("init = '{}' needs all of X, of which {} entries are missing: use init = 'random' (--init random)",
                    name_of(parameters.init), x.summary().missing));
}

/// Normals that are drawn one after the other when they come from numpy's stream.
Index initial_draws(const Parameters& parameters, const Shape& shape, Index k) {
  const Index of_factors = (shape.rows + shape.columns) * k;
  const Index of_sketch = parameters.svd == SvdMethod::exact ? 0 : std::min(shape.rows, shape.columns) * (k + 10);
  switch (resolve_init(parameters.init, shape, k)) {
    case Init::random:
      return of_factors;
    case Init::nndsvdar:
      return std::max(of_factors, of_sketch);
    case Init::custom:
      return 0;
    default:
      return of_sketch;
  }
}

/// What none stands for where entries of X are missing, which an SVD does not bear.
template <Scalar T>
Init init_on(const DataSource<T>& x, const Parameters& parameters, Index k) {
  if (x.summary().missing > 0 && parameters.init == Init::none) return Init::random;
  return resolve_init(parameters.init, x.shape(), k);
}

/// Rows and columns without observed elements have no part in the fit: their factors are 0.
template <Scalar T>
void clear_unobserved(const DataSource<T>& x, Factors<T>& factors) {
  const Observation* const observation = x.observation();
  if (observation == nullptr) return;
  for (const Index row : observation->empty_rows) std::fill_n(factors.W.row(row), factors.W.columns(), T{0});
  for (std::size_t j = 0; j < observation->in_column.size(); ++j)
    if (observation->in_column[j] == 0) std::fill_n(factors.Ht.row(static_cast<Index>(j)), factors.Ht.columns(), T{0});
}

template <Scalar T>
Factors<T> initial_factors(DataSource<T>& x, const Parameters& parameters, Init init, Index k, const Seed& seed,
                           const std::string& init_file) {
  const Shape shape = x.shape();
  if (init != resolve_init(parameters.init, shape, k))
    log_information("random factors to begin with: entries of X are missing, and nndsvda needs all of it");
  if (init == Init::custom) return custom_factors(x, k, init_file, custom_name);
  const bool counter = resolve_random_generator(parameters, shape, k) == RandomGenerator::counter;
  if (init == Init::random) return random_factors(x, k, seed, counter);
  const bool nndsvda = init == Init::nndsvda;
  const NndsvdVariant variant = nndsvda                ? NndsvdVariant::nndsvda
                                : init == Init::nndsvd ? NndsvdVariant::nndsvd
                                                       : NndsvdVariant::nndsvdar;
  return nndsvd_factors(x, k, seed, variant, parameters.svd == SvdMethod::exact, counter);
}

}  // namespace

Init resolve_init(Init init, const Shape& shape, Index n_components) {
  if (init != Init::none) return init;
  return n_components <= std::min(shape.rows, shape.columns) ? Init::nndsvda : Init::random;
}

Index resolve_n_components(const Parameters& parameters, Index n_features, std::optional<Index> custom_H_rows) {
  if (parameters.n_components) return *parameters.n_components;
  return parameters.n_components_auto && custom_H_rows ? *custom_H_rows : n_features;
}

Index resolve_n_components(const Communicator& comm, const Parameters& parameters, Index n_features,
                           const std::string& init_file) {
  std::optional<Index> custom_H_rows;
  if (parameters.init == Init::custom && !parameters.n_components && parameters.n_components_auto)
    custom_H_rows = custom_components(comm, init_file, custom_name, n_features);
  return resolve_n_components(parameters, n_features, custom_H_rows);
}

RandomGenerator resolve_random_generator(const Parameters& parameters, const Shape& shape, Index n_components) {
  if (parameters.random_generator != RandomGenerator::automatic) return parameters.random_generator;
  return initial_draws(parameters, shape, n_components) > numpy_draws_limit ? RandomGenerator::counter
                                                                            : RandomGenerator::numpy;
}

std::uint32_t choose_seed(const Communicator& comm, const Parameters& parameters) {
  if (parameters.random_state) return *parameters.random_state;
  Index seed = 0;
  if (comm.is_root()) seed = static_cast<Index>(std::random_device{}());
  comm.broadcast(std::span<Index>(&seed, 1));
  log_information(fmt::format("random state {} was drawn", seed));
  return static_cast<std::uint32_t>(seed);
}

namespace {

/// Collective. √(2·D) of the fits that have come to their end, in one pass over X.
template <Scalar T>
void evaluate(PassRunner<T>& runner, std::span<FittedModel<T>* const> models) {
  DataSource<T>& x = runner.source();
  std::vector<std::unique_ptr<RowSolver<T>>> solvers;
  std::vector<std::unique_ptr<Pass<T>>> passes;
  std::vector<Visit<T>> visits;
  for (const FittedModel<T>* model : models) {
    const Loss loss = loss_on(x, model->parameters.beta_loss);
    solvers.push_back(std::make_unique<RowSolver<T>>(loss, x.kind(), x.shape().columns, model->n_components, nullptr,
                                                     x.observation()));
    solvers.back()->set_H(model->factors.Ht);
    passes.push_back(std::make_unique<Pass<T>>(*solvers.back()));
    visits.push_back({passes.back().get(),
                      runner.all_batches(),
                      model->factors.W.view(),
                      {.accumulate = false, .divergence = true}});
  }
  if (visits.empty()) return;
  runner.over(visits);
  for (std::size_t i = 0; i < models.size(); ++i) models[i]->reconstruction_err = error_of(passes[i]->divergence());
}

/// Collective. Throws where the Gram matrices that coordinate descent sums for columns of X do not fit.
template <Scalar T>
void require_room(const DataSource<T>& x, std::span<FittedModel<T>* const> models) {
  if (x.summary().missing == 0) return;
  double bytes = 0;
  Index most_components = 0;
  for (const FittedModel<T>* model : models) {
    if (is_mini_batch(model->parameters) || model->parameters.solver != Solver::cd) continue;
    bytes += column_gram_bytes(x.shape().columns, model->n_components, data_type_of<T>);
    most_components = std::max(most_components, model->n_components);
  }
  const Index sums = sums_at_a_time(x.kind(), x.shape(), x.summary().stored, x.communicator().size(), 1);
  if (bytes > 0) require_room_for_column_grams(x.communicator(), bytes, sums, most_components);
}

/// Collective. Fits from the models' factors and counters to their end.
template <Scalar T>
void run(DataSource<T>& x, std::span<const Seed> seeds, std::span<FittedModel<T>* const> models,
         const FitControl<T>& control) {
  for (const FittedModel<T>* model : models) check_zeros(x, model->parameters);
  require_room(x, models);
  PassRunner<T> runner(x, control);
  std::vector<std::unique_ptr<Iteration<T>>> fits;
  for (std::size_t i = 0; i < models.size(); ++i) {
    models[i]->stopped = false;
    fits.push_back(iteration_for(runner, seeds[i], *models[i]));
  }
  drive<T>(runner, fits);
  std::vector<FittedModel<T>*> ended;
  std::vector<std::string> warnings;
  for (const auto& fit : fits) {
    if (!fit->model().stopped) fit->finish(runner);
    if (fit->model().stopped) continue;
    ended.push_back(&fit->model());
    warnings.push_back(fit->warning(runner));
  }
  fits.clear();  // their memory is not needed any more
  evaluate<T>(runner, ended);
  for (const FittedModel<T>* model : ended)
    require_finite(model->reconstruction_err, "reconstruction error", "iteration", model->n_iter);
  for (const std::string& warning : warnings)
    if (!warning.empty()) log_warning(warning);
}

}  // namespace

template <Scalar T>
void continue_fit(DataSource<T>& x, const Seed& seed, FittedModel<T>& model, const FitControl<T>& control) {
  FittedModel<T>* const models[] = {&model};
  run<T>(x, std::span(&seed, 1), models, control);
}

template <Scalar T>
FittedModel<T> unfitted_model(DataSource<T>& x, const Parameters& parameters, const Seed& seed,
                              const std::string& init_file) {
  FittedModel<T> model;
  model.parameters = parameters;
  model.n_components = resolve_n_components(x.communicator(), parameters, x.shape().columns, init_file);
  check_init(x, parameters, model.n_components);
  const Init init = init_on(x, parameters, model.n_components);
  if (parameters.init == Init::none && x.summary().missing > 0) set_started_with(model.state.numbers, init);
  model.factors = initial_factors(x, parameters, init, model.n_components, seed, init_file);
  return model;
}

namespace {

template <Scalar T>
FittedModel<T> start_of(const DataSource<T>& x, const Parameters& parameters, Factors<T> initial) {
  FittedModel<T> model;
  model.parameters = parameters;
  model.n_components = initial.Ht.columns();
  model.n_samples = x.shape().rows;
  model.factors = std::move(initial);
  if (!is_mini_batch(parameters) && parameters.solver == Solver::mu && parameters.init == Init::nndsvd)
    log_warning(
        "The multiplicative update ('mu') solver cannot update zeros present in the initialization, and so leads to "
        "poorer results when used "
        "jointly with init='nndsvd'. You may try init='nndsvda' or init='nndsvdar' instead.");
  return model;
}

}  // namespace

template <Scalar T>
FittedModel<T> fit(DataSource<T>& x, const Parameters& parameters, const Seed& seed, const std::string& init_file,
                   const FitControl<T>& control) {
  check_zeros(x, parameters);
  FittedModel<T> start;
  {
    RunReport unused;
    const PhaseTimer timer(control.report != nullptr ? control.report->times : unused.times, Phase::initialise);
    start = unfitted_model(x, parameters, seed, init_file);
  }
  clear_unobserved(x, start.factors);
  FittedModel<T> model = start_of(x, parameters, std::move(start.factors));
  model.state.numbers = std::move(start.state.numbers);
  continue_fit(x, seed, model, control);
  return model;
}

template <Scalar T>
FittedModel<T> fit_from(DataSource<T>& x, const Parameters& parameters, const Seed& seed, Factors<T> initial,
                        const FitControl<T>& control) {
  clear_unobserved(x, initial);
  FittedModel<T> model = start_of(x, parameters, std::move(initial));
  continue_fit(x, seed, model, control);
  return model;
}

template <Scalar T>
std::vector<FittedModel<T>> fit_together(DataSource<T>& x, std::vector<FitTask<T>> tasks,
                                         const FitControl<T>& control) {
  std::vector<FittedModel<T>> models;
  std::vector<Seed> seeds;
  for (FitTask<T>& task : tasks) {
    clear_unobserved(x, task.initial);
    models.push_back(start_of(x, task.parameters, std::move(task.initial)));
    seeds.push_back(task.seed);
  }
  std::vector<FittedModel<T>*> pointers;
  for (FittedModel<T>& model : models) pointers.push_back(&model);
  run<T>(x, seeds, pointers, control);
  return models;
}

template <Scalar T>
double dense_from(double beta) {
  return loss_of(beta).dense_from(sizeof(T));
}

template <Scalar T>
double beta_divergence(DataSource<T>& x, const Matrix<T>& W, const Matrix<T>& Ht, double beta,
                       const RunControl& control) {
  RowSolver<T> solver(loss_on(x, beta), x.kind(), x.shape().columns, Ht.columns(), nullptr, x.observation());
  solver.set_H(Ht);
  Pass<T> pass(solver);
  PassRunner<T> runner(x, FitControl<T>(control));
  return runner.divergence(pass, W.view());
}

template <Scalar T>
void inverse_transform(MatrixView<const T> w, const Matrix<T>& Ht, MatrixView<T> x) {
  RightFactor<T> h(StorageKind::dense, Ht.rows(), Ht.columns());
  h.assign(Ht.view());
  const Team team;
  std::vector<Workspace<T>> work(static_cast<std::size_t>(team.size()));
  team.in_groups(w.rows, row_group, [&](int thread, Range rows) {
    multiply<T>(w.middle_rows(rows), h, x.middle_rows(rows), work[static_cast<std::size_t>(thread)]);
  });
}

template std::vector<FittedModel<float>> fit_together(DataSource<float>&, std::vector<FitTask<float>>,
                                                      const FitControl<float>&);
template std::vector<FittedModel<double>> fit_together(DataSource<double>&, std::vector<FitTask<double>>,
                                                       const FitControl<double>&);
template double dense_from<float>(double);
template double dense_from<double>(double);
template FittedModel<float> fit(DataSource<float>&, const Parameters&, const Seed&, const std::string&,
                                const FitControl<float>&);
template FittedModel<double> fit(DataSource<double>&, const Parameters&, const Seed&, const std::string&,
                                 const FitControl<double>&);
template FittedModel<float> unfitted_model(DataSource<float>&, const Parameters&, const Seed&, const std::string&);
template FittedModel<double> unfitted_model(DataSource<double>&, const Parameters&, const Seed&, const std::string&);
template FittedModel<float> fit_from(DataSource<float>&, const Parameters&, const Seed&, Factors<float>,
                                     const FitControl<float>&);
template FittedModel<double> fit_from(DataSource<double>&, const Parameters&, const Seed&, Factors<double>,
                                      const FitControl<double>&);
template void continue_fit(DataSource<float>&, const Seed&, FittedModel<float>&, const FitControl<float>&);
template void continue_fit(DataSource<double>&, const Seed&, FittedModel<double>&, const FitControl<double>&);
template double beta_divergence(DataSource<float>&, const Matrix<float>&, const Matrix<float>&, double,
                                const RunControl&);
template double beta_divergence(DataSource<double>&, const Matrix<double>&, const Matrix<double>&, double,
                                const RunControl&);
template void inverse_transform(MatrixView<const float>, const Matrix<float>&, MatrixView<float>);
template void inverse_transform(MatrixView<const double>, const Matrix<double>&, MatrixView<double>);

}  // namespace scanmf

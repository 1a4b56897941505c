#!/usr/bin/python3
"""One page of HTML about a model or an ensemble, to look at or to send: no network, no other file.

    scripts/report.py model.h5 [X.h5ad] [-o report.html] [--groups COLUMN ...] [--image-shape 28x28] [--top 10]

Parameters and where the result comes from, how the fit converged, each component with its largest features (or as an
image) and its share, and how much the groups of X.h5ad's table obs use each component; of an ensemble how k was chosen.
"""
import argparse
import base64
import hashlib
import html
import math
import os
import struct
import sys
import tempfile
import zlib

from arguments import count, image_shape, no_import

try:
    import numpy as np
    from groups import groupings, mean_shares, names_of, plain
    from sealed import open_sealed
except ImportError as missing:
    no_import(missing, "Debian's packages python3-h5py, python3-numpy")

MOST_COMPONENTS = 200  # shown one by one
MOST_CURVE_POINTS = 600

STYLE = """
:root { --ink: #1d2733; --soft: #5b6875; --line: #dfe4ea; --paper: #fff; --back: #f5f7f9; --accent: #1f6f9f;
  --mark: #c2541b; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--ink);
  font: 15px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 24px 20px 64px; }
h1 { font-size: 26px; margin: 8px 0 2px; overflow-wrap: anywhere; } h2 { font-size: 19px; margin: 36px 0 10px; }
p { margin: 4px 0 12px; max-width: 75ch; } .soft { color: var(--soft); } .small { font-size: 13px; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin: 18px 0; }
.facts div, .card { background: var(--paper); border: 1px solid var(--line); border-radius: 8px; padding: 10px 14px;
  min-width: 0; }
.facts b { display: block; font-size: 20px; font-weight: 600; overflow-wrap: anywhere; }
.facts span { color: var(--soft); font-size: 13px; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 320px), 1fr)); gap: 12px; }
.card { overflow-x: auto; }
.card h3 { margin: 0 0 6px; font-size: 15px; display: flex; justify-content: space-between; }
.card h3 span { color: var(--soft); font-weight: 400; }
.card img { width: 100%; max-width: 224px; display: block; margin: 4px auto; image-rendering: pixelated;
  border: 1px solid var(--line); }
.bar { display: grid; grid-template-columns: minmax(0, 3fr) minmax(3em, 2fr) 3.6em; gap: 8px; align-items: center;
  font-size: 13px; line-height: 1.55; }
.bar span:first-child { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.bar i { display: block; height: 10px; background: var(--accent); border-radius: 2px; min-width: 1px; }
.bar span:last-child { text-align: right; color: var(--soft); font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; background: var(--paper); border: 1px solid var(--line); border-radius: 8px;
  padding: 10px 14px; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; } th, td { padding: 3px 10px 3px 0; vertical-align: top; }
td.text { overflow-wrap: anywhere; } .heat td, .heat th { padding: 4px 8px; text-align: right; }
.heat th:first-child { text-align: left; white-space: nowrap; position: sticky; left: 0; background: var(--paper); }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 380px), 1fr)); gap: 12px; }
.pair + .wide td { white-space: nowrap; } tr.chosen td { background: #fdeee4; font-weight: 600; }
svg { width: 100%; height: auto; display: block; } svg text { font-size: 13px; fill: var(--soft); }
svg.narrow { display: none; }
@media (max-width: 600px) { svg.broad { display: none; } svg.narrow { display: block; } }
@media print { body { background: #fff; } .card, .facts div { break-inside: avoid; } }
"""


def escaped(text):
    return html.escape(str(text))


def shown(value, digits=6):
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, float):
        return "unknown" if math.isnan(value) else f"{value:.{digits}g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


class Subject:
    """What a page is about: the factors of a model, or of the chosen k of an ensemble, or another one."""
    def __init__(self, path, k=None):
        self.path = path
        self.file = open_sealed(path, {"scanmf-model": "model", "scanmf-ensemble": "ensemble"})
        self.about = {name: plain(value) for name, value in self.file.attrs.items()}
        self.table = None
        factors = self.file
        if self.about["format"] == "scanmf-ensemble":
            self.table = {name: values[()] for name, values in self.file["table"].items()}
            factors = self._consensus(k)
        elif k is not None:
            raise ValueError("-k is for ensembles: a model has one number of components")
        self.H = factors["H"][()].astype(float)
        self.W = factors.get("W")
        self.k, self.n = self.H.shape
        self.m = self.about["n_samples"]
        self.features = names_of(self.file, "feature_names", self.n)
        self.samples = names_of(self.file, "obs_names", self.m)
        self.params = self._attributes("params")
        self.provenance = self._attributes("provenance")
        self.first = float(self._attributes("state").get("first", 0))  # what the stop rule compares with
        self.history = {name: values[()].astype(float)
                        for name, values in self.file["history"].items()} if "history" in self.file else {}

    def _consensus(self, k):
        k = k or self.about["chosen_k"]
        if not k:
            raise ValueError("no k was chosen, as none is stable: name one with -k")
        if f"k{k}" not in self.file:
            raise ValueError(f"the ensemble has no k = {k}: it has {', '.join(map(str, self.table['k']))}")
        if "H" not in self.file[f"k{k}"]:
            raise ValueError(f"k = {k} has no consensus: too few spectra lie close to others")
        return self.file[f"k{k}"]

    def _attributes(self, group):
        return {name: plain(value) for name, value in self.file[group].attrs.items()} if group in self.file else {}

    def feature(self, j):
        return self.features[j] if self.features else f"feature {j}"


# Pictures.


def ticks(low, high):
    """About five round numbers."""
    if high <= low:
        return [low]
    step = 10**math.floor(math.log10((high - low) / 4))
    step *= next(factor for factor in (1, 2, 5, 10) if (high - low) / (step * factor) <= 5)
    return [step * i for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def tick_labels(values):
    """With so many digits that each says its own number."""
    step = min((abs(b - a) for a, b in zip(values, values[1:])), default=0)
    for digits in range(4, 16):
        labels = [f"{value:.{digits}g}" for value in values]
        if all(abs(float(label) - value) <= 0.01 * step for label, value in zip(labels, values)):
            break
    return labels


def chart(x, series, xlabel, width=640, **more):
    """Drawn twice, so that letters stay legible on a narrow screen: the style shows one of the two."""
    return (line_chart(x, series, xlabel, width=width, kind="broad", **more) +
            line_chart(x, series, xlabel, width=340, height=220, kind="narrow", **more))


def line_chart(x, series, xlabel, marks=(), level=None, width=640, height=270, kind="broad"):
    """Lines over x: series is [(name, values)]; marks: vertical lines at x; level: (value, name), a dashed line."""
    series = [(name, np.asarray(values, float)) for name, values in series]
    known = np.concatenate([values[np.isfinite(values)] for _, values in series])
    low, high = (known.min(), known.max()) if len(known) else (0, 1)
    if level and len(known) and 0 < level[0] < high:
        low = min(low, level[0])
    logarithmic = low > 0 and high > 20 * low
    scale = (lambda v: np.log10(v)) if logarithmic else (lambda v: np.asarray(v, float))
    bottom, top = float(scale(low)), float(scale(high))
    margin = 0.05 * (top - bottom) or 1
    bottom, top = bottom - margin, top + margin
    left, right, upper, lower = 74, 14, 14, 40
    span = max(float(x[-1] - x[0]), 1e-9)
    px = lambda v: left + (np.asarray(v, float) - x[0]) / span * (width - left - right)
    py = lambda v: upper + (top - scale(v)) / (top - bottom) * (height - upper - lower)
    grid = [10**e for e in range(math.ceil(bottom), math.floor(top) + 1)] if logarithmic else ticks(bottom, top)
    if len(grid) < 2:
        grid = [low, high]
    out = [f'<svg class="{kind}" viewBox="0 0 {width} {height}" role="img">']
    for value, label in zip(grid, tick_labels(grid)):
        y = float(py(value))
        out.append(f'<line x1="{left}" x2="{width - right}" y1="{y:.1f}" y2="{y:.1f}" stroke="var(--line)"/>'
                   f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
    for value in ticks(float(x[0]), float(x[-1])):
        if value == int(value):
            out.append(f'<text x="{float(px(value)):.1f}" y="{height - 22}" text-anchor="middle">{int(value)}</text>')
    out.append(f'<text x="{(left + width - right) / 2}" y="{height - 4}" text-anchor="middle">{escaped(xlabel)}'
               f'{" (logarithmic values)" if logarithmic else ""}</text>')
    for mark in marks:
        out.append(f'<line x1="{float(px(mark)):.1f}" x2="{float(px(mark)):.1f}" y1="{upper}" y2="{height - lower}" '
                   'stroke="var(--mark)" stroke-dasharray="4 3"/>')
    if level and low <= level[0] <= high:
        y = float(py(level[0]))
        out.append(f'<line x1="{left}" x2="{width - right}" y1="{y:.1f}" y2="{y:.1f}" stroke="var(--mark)" '
                   f'stroke-dasharray="4 3"/><text x="{left + 6}" y="{y - 5:.1f}">'
                   f'{escaped(level[1])}</text>')
    for values, colour in zip((values for _, values in series), ("var(--accent)", "var(--mark)")):
        at = np.flatnonzero(np.isfinite(values) & ((values > 0) | (not logarithmic)))
        if len(at) > MOST_CURVE_POINTS:
            at = at[np.unique(np.linspace(0, len(at) - 1, MOST_CURVE_POINTS).astype(int))]
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(px(x[at]), py(values[at])))
        out.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        if len(at) <= 40:
            for cx, cy in (point.split(",") for point in points.split()):
                out.append(f'<circle cx="{cx}" cy="{cy}" r="3" fill="{colour}"/>')
    return "".join(out) + "</svg>"


def png(grey):
    """A picture of 8-bit grey values as a data: URL."""
    height, width = grey.shape
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + grey[i].tobytes() for i in range(height))
    data = (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))
    return "data:image/png;base64," + base64.b64encode(data).decode()


# Sections of the page.


def facts(subject):
    about, seconds = subject.about, subject.history.get("seconds")
    entries = [(f"{subject.m:,} × {subject.n:,}", "samples × features"), (subject.k, "components")]
    if "reconstruction_err" in about:
        entries.append((shown(about["reconstruction_err"]), "reconstruction error"))
        steps = f" ({about['n_steps']:,} steps)" if "n_steps" in about else ""
        entries.append(
            (f"{about['n_iter']:,}{steps}", "iterations, " + ("converged" if about["converged"] else "not converged")))
    if subject.table is not None:
        entries.append((len(subject.table["k"]), f"values of k, {about.get('replicates', '?')} replicates of each"))
    if seconds is not None and len(seconds):
        entries.append((f"{seconds.sum():.3g} s", f"of iterations, {seconds.mean():.3g} s each"))
    return "".join(f"<div><b>{escaped(value)}</b><span>{escaped(name)}</span></div>" for value, name in entries)


def table_of_k(table):
    """Heads and cells, in the order and with the digits of `scanmf inspect`."""
    def number(name, i, form, scale=1):
        return f"{scale * table[name][i]:{form}}" if np.isfinite(table[name][i]) else "–"

    spread = lambda name, of_it: lambda i: f"{number(name, i, '.6g')} ± {number(of_it, i, '.2g')}"
    columns = [("k", "k", lambda i: str(table["k"][i])),
               ("stability", "stability", lambda i: number("stability", i, ".3f")),
               ("least_cluster_stability", "least cluster", lambda i: number("least_cluster_stability", i, ".3f")),
               ("kept", "kept", lambda i: number("kept", i, ".0f", 100) + " %"),
               ("error", "squared error", lambda i: number("error", i, ".6g")),
               ("replicate_error_mean", "error of replicates", spread("replicate_error_mean", "replicate_error_sd")),
               ("cv_error", "test error", spread("cv_error", "cv_error_se")),
               ("cophenetic", "cophenetic", lambda i: number("cophenetic", i, ".4f")),
               ("dispersion", "dispersion", lambda i: number("dispersion", i, ".4f"))]
    columns = [(head, cell) for name, head, cell in columns if name in table]
    return [head for head, _ in columns], [[cell(i) for _, cell in columns] for i in range(len(table["k"]))]


def choice_of_k(subject):
    """The table of an ensemble and its curves."""
    table, chosen = subject.table, subject.about["chosen_k"]
    k = table["k"].astype(float)
    charts = "".join(f'<div class="card"><h3>{escaped(name.replace("_", " "))}</h3>'
                     f'{chart(k, [(name, table[name])], "k", marks=[chosen] if chosen else [])}</div>'
                     for name in ("stability", "cv_error" if "cv_error" in table else "error") if name in table)
    names, cells = table_of_k(table)
    rows = "".join(f'<tr{" class=chosen" if number == chosen else ""}>' + "".join(f"<td>{cell}</td>"
                                                                                  for cell in row) + "</tr>"
                   for number, row in zip(table["k"], cells))
    head = "".join(f"<th>{name}</th>" for name in names)
    said = f"k = {chosen} was chosen" if chosen else "no k was chosen"
    return (f"<h2>Choice of k</h2><p>{said} by {escaped(subject.about.get('select', 'stability'))}; "
            f'the components below are the consensus of k = {subject.k}.</p><div class="pair">{charts}</div>'
            f'<div class="wide" style="margin-top:12px"><table><tr>{head}</tr>{rows}</table></div>')


def tolerance(subject, measure, values):
    """(value, name) of the line that the stop rule compares the last value with; None where it compares others."""
    tol, first = subject.params.get("tol"), subject.first
    name = f"tol = {tol:g}" if tol else ""
    if measure == "violation" and tol:
        return tol, name
    return (values[-2] - tol * first, name) if measure == "error" and tol and first > 0 else None


def convergence(subject):
    history = subject.history
    measure = next((name for name in ("violation", "error", "smoothed_cost", "cost") if name in history), None)
    if measure is None or np.isfinite(history[measure]).sum() < 2:
        return ""
    known = np.isfinite(history[measure])
    texts = {
        "violation": "how far the solution is from one that no step improves, relative to the first iteration",
        "error": "the reconstruction error, where the stop rule evaluates it; the fit stops when it has fallen by less "
        "than tol times the error of the start since the evaluation before, that is when the last one lies above the "
        "dashed line",
        "smoothed_cost": "the cost of the mini-batches, averaged; the fit stops when it no longer improves, or H "
        "changes by less than tol",
        "cost": "the cost of each mini-batch"
    }
    values = history[measure][known]
    level = tolerance(subject, measure, values)
    if measure == "violation" and values[0] > 0:
        values = values / values[0]
    x = history["iteration"][known] if "iteration" in history else np.flatnonzero(known) + 1.0
    return (f'<h2>Convergence</h2><p class="soft">{escaped(measure.replace("_", " "))}: {texts[measure]}.</p>'
            f'<div class="card">{chart(x, [(measure, values)], "iteration", level=level, width=760)}</div>')


def component_card(subject, c, share, image_shape, top):
    weights = subject.H[c]
    head = f'<h3>component {c}<span>{"" if share is None else f"{100 * share:.1f} %"}</span></h3>'
    if image_shape:
        grey = 255 - np.rint(255 * weights / max(weights.max(), 1e-300)).astype(np.uint8).reshape(image_shape)
        return f'<div class="card">{head}<img src="{png(grey)}" alt="component {c}"></div>'
    order = np.argsort(-weights, kind="stable")[:top]
    order = order[weights[order] > 0]
    bars = "".join(
        f'<div class="bar"><span title="{escaped(subject.feature(j))}">{escaped(subject.feature(j))}</span>'
        f'<i style="width:{100 * weights[j] / weights[order[0]]:.1f}%"></i><span>{weights[j]:.3g}</span></div>'
        for j in order)
    return f'<div class="card">{head}{bars or "all zero"}</div>'


def components(subject, a):
    shares = mean_shares(subject.W, subject.H)[0][0] if subject.W is not None else None
    order = range(subject.k) if shares is None else np.argsort(-shares, kind="stable")
    cards = "".join(
        component_card(subject, c, None if shares is None else shares[c], a.image_shape, a.top)
        for c in list(order)[:MOST_COMPONENTS])
    note = ("Each with its largest features" if not a.image_shape else "Each as an image")
    if shares is not None:
        note += ", the one that explains most first; the percentage is its mean share of the samples' reconstruction"
    if subject.k > MOST_COMPONENTS:
        note += f". The first {MOST_COMPONENTS} of {subject.k}"
    return f'<h2>Components</h2><p class="soft">{note}.</p><div class="cards">{cards}</div>'


def heat_colour(share, most):
    t = math.sqrt(share / most) if most > 0 else 0
    mixed = [round(255 + (end - 255) * t) for end in (31, 111, 159)]
    return f"background:rgb({mixed[0]},{mixed[1]},{mixed[2]});color:{'#fff' if t > 0.6 else 'inherit'}"


def usage_of_groups(subject, path, wanted):
    if subject.W is None:
        raise ValueError(f"'{subject.path}' holds no W (--save-w false): the usage by groups cannot be told")
    for column, codes, names in groupings(path, subject.samples, subject.m, wanted):
        shares, rows = mean_shares(subject.W, subject.H, codes, len(names))
        most = shares.max()
        head = "".join(f"<th>{c}</th>" for c in range(subject.k))
        body = "".join(f"<tr><th>{escaped(names[g])} <span class='soft'>({rows[g]:,})</span></th>" +
                       "".join(f'<td style="{heat_colour(v, most)}">{100 * v:.0f}</td>' for v in shares[g]) + "</tr>"
                       for g in range(len(names)) if rows[g])
        yield (f'<h2>Usage by {escaped(column)}</h2><p class="soft">Mean share of each component in the samples of a '
               f'group, in percent; in brackets the number of samples.</p><div class="wide"><table class="heat">'
               f"<tr><th></th>{head}</tr>{body}</table></div>")


def attribute_table(title, attributes):
    rows = "".join(f'<tr><th>{escaped(name)}</th><td class="text">{escaped(shown(value, 9))}</td></tr>'
                   for name, value in attributes.items())
    return f'<div class="card"><h3>{title}</h3><table>{rows}</table></div>'


def digest(path):
    whole = hashlib.sha256()
    with open(path, "rb") as file:
        for piece in iter(lambda: file.read(1 << 20), b""):
            whole.update(piece)
    return whole.hexdigest()


def page(subject, a):
    name = os.path.basename(subject.path)
    what = {"nmf": "NMF", "minibatch-nmf": "MiniBatchNMF"}.get(subject.about.get("estimator"), "Ensemble of NMF")
    sections = [choice_of_k(subject)] if subject.table is not None else []
    sections += [convergence(subject), components(subject, a)]
    if a.data:
        sections += usage_of_groups(subject, a.data, a.groups)
    sections.append('<h2>Parameters and provenance</h2><div class="pair">' +
                    attribute_table("Parameters", subject.params) +
                    attribute_table("Where it comes from", subject.provenance) + "</div>" +
                    f'<p class="soft small">SHA-256 of the file: <code style="overflow-wrap:anywhere">'
                    f"{digest(subject.path)}</code></p>")
    start = f", {escaped(subject.provenance['start'])}" if "start" in subject.provenance else ""
    return (f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width='
            f'device-width, initial-scale=1"><title>{escaped(name)}</title><style>{STYLE}</style></head><body><main>'
            f'<p class="soft">{what}, scanmf {escaped(subject.provenance.get("version", ""))}{start}</p>'
            f'<h1>{escaped(name)}</h1><div class="facts">{facts(subject)}</div>{"".join(sections)}</main></body>'
            "</html>\n")


def write_whole(path, text):
    """The file appears whole or not at all; behind a link it is the link's target that is replaced."""
    path = os.path.realpath(path)
    if os.path.lexists(path) and not os.path.isfile(path):
        raise ValueError(f"'{path}' is not a regular file: name another file with -o")
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(os.path.abspath(path)), prefix=".report-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="xmlcharrefreplace") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model", help="model or ensemble file of scanmf")
    p.add_argument("data", nargs="?", help="AnnData file of the same samples, for the groups in its table obs")
    p.add_argument("-o", "--output", help="where the page goes (default: beside the model, its name with .html)")
    p.add_argument("--groups", nargs="+", metavar="COLUMN", help="columns of obs (default: all that have a few groups)")
    p.add_argument("--image-shape", type=image_shape, metavar="HxW", help="show components as images, say 28x28")
    p.add_argument("-k", type=count, metavar="N", help="components, of an ensemble (default: the chosen number)")
    p.add_argument("--top", type=count, default=10, metavar="N", help="features of each component (default: 10)")
    a = p.parse_args()
    output = a.output or os.path.splitext(a.model)[0] + ".html"
    try:
        for given in filter(None, (a.model, a.data)):
            if os.path.exists(output) and os.path.samefile(output, given):
                raise ValueError(f"the page would replace '{given}': name another file with -o")
        if a.groups and not a.data:
            raise ValueError("--groups needs the AnnData file")
        subject = Subject(a.model, a.k)
        if a.image_shape and a.image_shape[0] * a.image_shape[1] != subject.n:
            raise ValueError(f"{subject.n} features are no image of {a.image_shape[0]}x{a.image_shape[1]}")
        write_whole(output, page(subject, a))
    except (ValueError, OSError, KeyError) as error:
        sys.exit(f"report.py: {error}")
    print(output)


if __name__ == "__main__":
    main()

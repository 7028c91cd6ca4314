// Ray marching through a table of projected planes on processors (spec 07 sections 2 and 4.3).
//
// A block of LANES rays is marched at a time. What is done once per ray and depth (weights, distribution, positions) has one ray per
// vector lane; what is done per hidden unit or colour has one unit per lane. Every lane's numbers depend on its own ray alone, so
// neither chunks, threads nor neighbours change a bit of the result.
//
// Hidden units are in base 2: log2(1 + 2^x), their weights scaled to match (PackedDecoder).
//
// cuda_ops/cpu/extension.py puts this text behind EXP2, LOG2_1P, the sizes that the structs have in Python, head.h,
// vectors.h, denormals.h, calls.h, cast.h, table.h, samples.h and workspace.h.

namespace {

const float UNSEEN = -1e30f;     // density of depths behind all that shows

struct Arguments {
    Head head;
    FrameRays frame;
    const int32_t* pixels;
    int64_t rays;
    int coarse, fine;
    float stop_below, colour_above;
};

// UNITS and WINDOWS: the numbers of early units and windows where the compiler is to know them, else 0.
template <int UNITS, int WINDOWS, bool STACKED>
class Marcher : Arguments {
  public:
    explicit Marcher(const Arguments& arguments) : Arguments(arguments) {}
    void block(int64_t first, Workspace& space) const;

  private:
    int early_units() const { return UNITS ? UNITS : head.early_units; }
    float* hidden(Workspace& space, int lane, int sample) const {
        return space.hidden + ((int64_t)lane * (coarse + fine) + sample) * early_units();
    }
    Floats densities(const Rays& rays, Floats depth, const Chosen& chosen, const int32_t* samples, Workspace& space) const;
    void aim(const int32_t* pixel, Rays& block, Workspace& space) const;
    void spread(const int32_t* pixel, const int32_t* known, Workspace& space) const;
    void colours(const Rays& rays, int lane, int seen, Workspace& space) const;
    void show(const int32_t* pixel, int lanes, Floats total, Floats distance, Workspace& space) const;
};

// Densities that the chosen lanes have at a depth, UNSEEN in the others; samples: under which number each lane keeps its hidden units.
template <int UNITS, int WINDOWS, bool STACKED>
inline Floats Marcher<UNITS, WINDOWS, STACKED>::densities(const Rays& rays, Floats depth, const Chosen& chosen, const int32_t* samples,
                                                 Workspace& space) const {
    const int group = UNITS % (4 * LANES) == 0 && UNITS ? 4 : 1, at_once = LOOKED_UP_AT_ONCE / group;
    Places places;
    locate<STACKED>(head, rays, depth, places);
    // what may change while numbers are written is read before
    const float *table = head.early, *to_density = head.to_density;
    const int units = early_units(), count = chosen.count;
    Floats sums[LANES];
    for (Floats& sum : sums) sum = Floats{};
    for (int i = 0; i < count; i += at_once) {
        const int* lanes = chosen.lane + i;
        float* kept[at_once];
        for (int s = 0; s < at_once; s++) kept[s] = hidden(space, lanes[s], samples[lanes[s]]);
        Floats total[at_once] = {};
        for (int unit = 0; unit < units; unit += group * LANES) {
            Floats some[at_once * group];
            look_up<at_once, group, WINDOWS, STACKED>(head, table, units, places, lanes, unit, some);
            for (int s = 0; s < at_once; s++)
                for (int v = 0; v < group; v++) {
                    at(kept[s] + unit + v * LANES) = some[s * group + v];
                    total[s] += some[s * group + v] * at(to_density + unit + v * LANES);
                }
        }
        for (int s = 0; s < at_once; s++) sums[lanes[s]] = total[s];
    }
    const Floats found = row_sums(sums) + head.density_bias;
    return where(at(chosen.mask), found, all(UNSEEN));
}

// Rows of nothing before and after depths and their densities.
inline void pad(float* z, float* d, int count) {
    at(z - LANES) = at(z);
    at(d - LANES) = Floats{};
    for (int i = count; i < count + WALK; i++) {
        at(z + i * LANES) = at(z + (count - 1) * LANES);
        at(d + i * LANES) = Floats{};
    }
}

template <int UNITS, int WINDOWS, bool STACKED>
void Marcher<UNITS, WINDOWS, STACKED>::block(int64_t first, Workspace& space) const {
    const int lanes = rays - first < LANES ? rays - first : LANES;
    int32_t pixel[LANES];
    for (int lane = 0; lane < LANES; lane++) pixel[lane] = pixels[first + (lane < lanes ? lane : lanes - 1)];
    Rays block;
    aim(pixel, block, space);

    // First pass. known: how many coarse densities of each ray have been worked out.
    Light light;
    alignas(64) int32_t known[LANES] = {};
    Chosen alive;
    alive.choose(lanes, [](int) { return true; });
    float *z = space.coarse_depth, *d = space.coarse_density;
    pad(z, d, coarse);
    for (int start = 0; start < coarse; start += WALK) {
        const int stop = start + WALK < coarse ? start + WALK : coarse;
        if (!alive.count) {
            for (int i = start; i < stop; i++) at(space.weight + i * LANES) = Floats{};
            continue;
        }
        for (int i = start; i < stop; i++) {
            alignas(64) int32_t samples[LANES];
            at(samples) = Ints{} + i;
            at(d + i * LANES) = densities(block, at(z + i * LANES), alive, samples, space);
        }
        for (int k = 0; k < alive.count; k++) known[alive.lane[k]] = stop;
        light.take(z + start * LANES, d + start * LANES, space.weight + start * LANES);
        alive.choose(lanes, [&](int lane) { return alive.mask[lane] && light.passing[lane] >= stop_below; });
    }

    spread(pixel, known, space);

    // Second pass.
    const int count = coarse + fine;
    light = Light();
    Floats total = {}, distance = {};
    Chosen fresh;
    alive.choose(lanes, [](int) { return true; });
    z = space.depth;
    d = space.density;
    pad(z, d, count);
    int seen = 0;
    for (; seen < count && alive.count; seen += WALK) {
        const int stop = seen + WALK < count ? seen + WALK : count;
        for (int k = seen; k < stop; k++) {
            const int32_t* source = space.source + k * LANES;
            fresh.choose(lanes, [&](int lane) { return alive.mask[lane] && source[lane] >= known[lane]; });
            Floats& here = at(d + k * LANES);
            here = where(at(alive.mask), here, all(UNSEEN));
            if (fresh.count) here = larger(here, densities(block, at(z + k * LANES), fresh, source, space));
        }
        float* weight = space.weight + seen * LANES;
        light.take(z + seen * LANES, d + seen * LANES, weight);
        for (int k = 0; k < WALK; k++) {
            total += at(weight + k * LANES);
            distance += at(weight + k * LANES) * ((at(z + (seen + k - 1) * LANES) + at(z + (seen + k) * LANES)) * 0.5f);
        }
        alive.choose(lanes, [&](int lane) { return alive.mask[lane] && light.passing[lane] >= stop_below; });
    }
    if (seen > count) seen = count;
    at(space.weight + seen * LANES) = Floats{};

    for (int channel = 0; channel < head.channels; channel++) at(space.picture + channel * LANES) = total * head.constant[channel];
    for (int lane = 0; lane < lanes; lane++) colours(block, lane, seen, space);
    show(pixel, lanes, total, distance / total, space);
}

// The rays of some pixels, and their coarse depths.
template <int UNITS, int WINDOWS, bool STACKED>
void Marcher<UNITS, WINDOWS, STACKED>::aim(const int32_t* pixel, Rays& block, Workspace& space) const {
    const int64_t all_pixels = (int64_t)frame.side * frame.side;
    Floats near, far;
    for (int lane = 0; lane < LANES; lane++) {
        near[lane] = frame.near[pixel[lane]];
        far[lane] = frame.far[pixel[lane]];
    }
    for (int axis = 0; axis < 3; axis++) {
        block.origin[axis] = all(frame.origin[axis]);
        for (int lane = 0; lane < LANES; lane++) block.direction[axis][lane] = frame.directions[axis * all_pixels + pixel[lane]];
    }
    for (int i = 0; i < coarse; i++) {
        Floats jitter = all(frame.jitter[i]);
        if (frame.jitter_stride)
            for (int lane = 0; lane < LANES; lane++) jitter[lane] = frame.jitter[pixel[lane] * frame.jitter_stride + i];
        at(space.coarse_depth + i * LANES) = depth_at(near, far, frame.strata[i], jitter, coarse - 1);
    }
}

// Writes what was found into the picture; rays that have met what is infinite or not a number stay empty.
template <int UNITS, int WINDOWS, bool STACKED>
void Marcher<UNITS, WINDOWS, STACKED>::show(const int32_t* pixel, int lanes, Floats total, Floats distance, Workspace& space) const {
    Floats sum = total;
    for (int channel = 0; channel < head.channels; channel++) sum += at(space.picture + channel * LANES);
    Chosen sound;
    sound.choose(lanes, [&](int lane) { return sum[lane] - sum[lane] == 0; });
    for (int k = 0; k < sound.count; k++) {
        const int lane = sound.lane[k];
        frame.opacity[pixel[lane]] = total[lane];
        if (total[lane] > 0) frame.depth[pixel[lane]] = distance[lane];
    }
    for (int channel = 0; channel < head.channels; channel++) {
        float* to = frame.features + channel * (int64_t)frame.side * frame.side;
        const Floats value = at(space.picture + channel * LANES) * 2.0f - 1.0f;
        for (int k = 0; k < sound.count; k++) to[pixel[sound.lane[k]]] = value[sound.lane[k]];
    }
}

// Fine depths, where the first pass found weight (spec 03 section 8), merged with the coarse ones.
template <int UNITS, int WINDOWS, bool STACKED>
void Marcher<UNITS, WINDOWS, STACKED>::spread(const int32_t* pixel, const int32_t* known, Workspace& space) const {
    const int last = coarse - 3;  // number of the last bin in use
    auto row = [](float* rows, int i) -> Floats& { return at(rows + i * LANES); };
    float *weight = space.weight, *cumulative = space.cumulative, *bins = space.bins, *z = space.coarse_depth;
    if (fine) {
        Floats total = {};
        for (int j = 0; j < last; j++) {
            // share of coarse interval j + 1, whose weight is in row j + 2: mean of two maxima of neighbours
            Floats lower = larger(row(weight, j + 1), row(weight, j + 2)), upper = larger(row(weight, j + 2), row(weight, j + 3));
            row(cumulative, j + 1) = (lower + upper) * 0.5f + 0.01f + 1e-5f;
            total += row(cumulative, j + 1);
        }
        row(cumulative, 0) = Floats{};
        for (int j = 1; j <= last; j++) row(cumulative, j) = row(cumulative, j - 1) + row(cumulative, j) / total;
        for (int j = 0; j <= last; j++) row(bins, j) = (row(z, j) + row(z, j + 1)) * 0.5f;
    }
    for (int k = 0; k < coarse + fine; k++) at(space.source + k * LANES) = Ints{} - 1;
    for (int k = 0; k < fine; k++) {
        Floats u = all(frame.positions[k]);
        if (frame.positions_stride)
            for (int lane = 0; lane < LANES; lane++) u[lane] = frame.positions[pixel[lane] * frame.positions_stride + k];
        Ints right = {};  // how many cumulative shares do not pass u
        for (int j = 0; j <= last; j++) right -= row(cumulative, j) <= u;
        // cumulative shares, bins and coarse depth around it; bin lo reaches from before coarse depth lo + 1 to beyond it
        const Ints lo = larger(right - 1, Ints{}), hi = smaller(right, Ints{} + last);
        const Floats start = picked(cumulative, lo), nearer = picked(bins, lo), farther = picked(bins, hi);
        Floats width = picked(cumulative, hi) - start;
        width = width < 1e-5f ? all(1.0f) : width;
        const Floats found = smaller(nearer + (u - start) / width * (farther - nearer), farther);
        const Ints place = lo + (k + 1) - (picked(z, lo + 1) <= found);
        put(space.depth, place, found);
        put(space.source, place, Ints{} + (coarse + k));
    }
    const Ints worked_out = at(known);
    Ints next = {};
    for (int k = 0; k < coarse + fine; k++) {
        Ints& source = at(space.source + k * LANES);
        const Ints is_fine = source >= 0;
        row(space.depth, k) = where(is_fine, row(space.depth, k), picked(z, next));
        row(space.density, k) = where(is_fine | (next >= worked_out), all(UNSEEN), picked(space.coarse_density, next));
        source = (source & is_fine) | (next & ~is_fine);
        next += 1 + is_fine;
    }
}

// Colours of one ray's samples that show.
template <int UNITS, int WINDOWS, bool STACKED>
void Marcher<UNITS, WINDOWS, STACKED>::colours(const Rays& block, int lane, int seen, Workspace& space) const {
    int shown = 0;
    for (int k = 0; k < seen; k++) {
        const float share = (space.weight[k * LANES + lane] + space.weight[(k + 1) * LANES + lane]) * 0.5f;
        if (!(share > colour_above)) continue;
        space.shown_share[shown] = share;
        space.shown_depth[shown] = space.depth[k * LANES + lane];
        space.early_row[shown] = hidden(space, lane, space.source[k * LANES + lane]);
        space.late_row[shown] = space.late_hidden + (int64_t)shown * head.late_units;
        shown++;
    }
    if (!shown) return;
    for (; shown % SAMPLES_AT_ONCE; shown++) {
        space.shown_share[shown] = 0;
        space.shown_depth[shown] = space.shown_depth[shown - 1];
        space.early_row[shown] = space.early_row[shown - 1];
        space.late_row[shown] = space.late_row[shown - 1];
    }
    if (head.late_units) {
        Rays same;
        for (int axis = 0; axis < 3; axis++) {
            same.origin[axis] = all(block.origin[axis][lane]);
            same.direction[axis] = all(block.direction[axis][lane]);
        }
        Places places;
        for (int start = 0; start < shown; start += LANES) {
            locate<STACKED>(head, same, at(space.shown_depth + start), places);
            for (int i = start; i < shown && i < start + LANES; i += LATE_AT_ONCE)
                for (int unit = 0; unit < head.late_units; unit += LANES) {
                    Floats some[LATE_AT_ONCE];
                    look_up<LATE_AT_ONCE, 1, WINDOWS, STACKED>(head, head.late, head.late_units, places, IN_ORDER + i - start, unit, some);
                    for (int s = 0; s < LATE_AT_ONCE; s++) at(space.late_hidden + (int64_t)(i + s) * head.late_units + unit) = some[s];
                }
        }
    }
    if (head.varying % (2 * LANES) == 0)
        add_colours<2>(head, space.early_row, space.late_row, space.shown_share, shown, space.sums);
    else
        add_colours<1>(head, space.early_row, space.late_row, space.shown_share, shown, space.sums);
    for (int i = 0; i < head.written; i++) space.picture[head.outputs[i] * LANES + lane] = space.sums[i];
}

template <int UNITS, int WINDOWS, bool STACKED>
int32_t march_all(const Arguments& arguments, int32_t threads) {
    const Marcher<UNITS, WINDOWS, STACKED> marcher(arguments);
    int32_t failed = 0;
#ifdef _OPENMP
#pragma omp parallel num_threads(threads) reduction(| : failed)
#endif
    {
        const NoDenormals flushed{};
        Workspace space(arguments.head, arguments.coarse, arguments.fine);
        failed |= !space.memory;
#ifdef _OPENMP
#pragma omp for schedule(dynamic)
#endif
        for (int64_t first = 0; first < arguments.rays; first += LANES)
            if (space.memory) marcher.block(first, space);
    }
    return failed;
}

}  // namespace

// Marches the rays of some pixels, and writes them into their frame's picture: features -1..1, opacity, and the depth where there is any.
// A ray is followed until less than stop_below of its light passes; samples add their colour if their share exceeds colour_above (0 and
// -1: everything is worked out). Returns 0, or 1 for want of memory.
int32_t march(const Head* head, const FrameRays* rays, const int32_t* pixels, int64_t count, float stop_below, float colour_above,
              int32_t threads) {
    const Arguments arguments{*head, *rays, pixels, count, rays->coarse, rays->fine, stop_below, colour_above};
    if (head->window[0].through_length) {
        if (head->windows == 2 && head->early_units == 64) return march_all<64, 2, true>(arguments, threads);  // trained trigrids
        return march_all<0, 0, true>(arguments, threads);
    }
    if (head->windows == 2 && head->early_units == 64) return march_all<64, 2, false>(arguments, threads);  // trained planes
    if (head->windows == 2 && head->early_units == 16) return march_all<16, 2, false>(arguments, threads);  // those of the built-in avatar
    return march_all<0, 0, false>(arguments, threads);
}

// Ray marching through a table of projected planes on processors (spec 07 sections 2 and 4.3).
//
// A block of LANES rays is marched at a time. What is done once per ray and depth (weights, distribution, positions) has one ray per
// vector lane; what is done per hidden unit or colour has one unit per lane. Every lane's numbers depend on its own ray alone, so
// neither chunks, threads nor neighbours change a bit of the result.
//
// cuda_ops/polynomials.py puts EXP2 and LOG1P in front of this text.

#include <cstdint>
#include <cstdlib>

#if defined(__AVX512F__)
#define LANES 16
#define SAMPLES_AT_ONCE 8
#elif defined(__AVX__)
#define LANES 8
#define SAMPLES_AT_ONCE 4
#else
#define LANES 4
#define SAMPLES_AT_ONCE 4
#endif

// Keeps a product from being fused with the sum that follows: positions must round as PyTorch's do, rough planes enlarge the difference.
#if defined(__x86_64__) || defined(__i386__)
#define ROUNDED(value) __asm__("" : "+x"(value))
#elif defined(__aarch64__)
#define ROUNDED(value) __asm__("" : "+w"(value))
#else
#define ROUNDED(value)
#endif

typedef float Floats __attribute__((vector_size(4 * LANES)));
typedef int32_t Ints __attribute__((vector_size(4 * LANES)));

extern "C" {

// A rectangle of texels: a point p lies at texel p[axis] * scale + shift of a side, counted from its first one.
struct Window {
    int32_t across_axis, across_length, down_axis, down_length, start;
    float across_scale, across_shift, down_scale, down_shift;
};

// Unit counts are multiples of 16, padded with units that have no output weights; varying is a multiple of 16, padded with channels
// that are not written.
struct Head {
    const float* early;          // [texels, early_units] what the units that density hears receive
    const float* late;           // [texels, late_units] what the others receive
    const float* to_density;     // [early_units]
    const float* to_colour;      // [early_units + late_units, varying]
    const float* colour_bias;    // [varying]
    const float* constant;       // [channels] colour of the channels that are the same everywhere
    const int32_t* outputs;      // [written] their channels
    float density_bias;
    int32_t early_units, late_units, varying, written, channels, windows;
    Window window[3];
};

int32_t march_lanes() { return LANES; }

int32_t march(const Head* head, const float* origins, const float* directions, const float* depths, const float* positions,
              int64_t rays, int32_t coarse, int32_t fine, int64_t positions_stride, float stop_below, float colour_above, int32_t threads,
              float* colour, float* depth, float* opacity);
}

namespace {

const int WALK = 8;              // depths between two looks at whether a ray still sees anything
const float UNSEEN = -1e30f;     // density of depths behind all that shows

inline Floats all(float value) { return value - Floats{}; }
inline Floats larger(Floats a, Floats b) { return a > b ? a : b; }
inline Floats smaller(Floats a, Floats b) { return a < b ? a : b; }
inline Floats& at(float* values) { return *reinterpret_cast<Floats*>(values); }
inline const Floats& at(const float* values) { return *reinterpret_cast<const Floats*>(values); }

// x times log2 e must not pass 127; what is below -126 becomes 2^-126.
inline Floats exponential(Floats x) {
    const float shift = 12582912.0f;  // adding it rounds to a whole number, which then stands in the lowest bits
    Floats power = larger(x * 1.44269504f, all(-126.0f));
    Floats shifted = power + shift;
    Floats fraction = power - (shifted - shift);
    Floats value = all(EXP2[5]);
    for (int k = 4; k >= 0; k--) value = value * fraction + EXP2[k];
    return (Floats)((Ints)value + ((Ints)shifted << 23));
}

inline Floats softplus(Floats x) {
    Floats magnitude = larger(x, -x);
    Floats e = exponential(-magnitude);
    Floats series = all(LOG1P[7]);
    for (int k = 6; k >= 0; k--) series = series * e + LOG1P[k];
    return larger(x, Floats{}) + e * series;
}

inline Floats sigmoid(Floats x) { return 1.0f / (1.0f + exponential(smaller(-x, all(80.0f)))); }

inline float sum(Floats values) {
    float total[LANES];
    __builtin_memcpy(total, &values, sizeof total);
    for (int half = LANES / 2; half; half /= 2)
        for (int i = 0; i < half; i++) total[i] += total[i + half];
    return total[0];
}

// Where points lie in the table: per window and lane the first texel and the shares of its four corners.
struct Places {
    alignas(64) int32_t texel[3][LANES];
    alignas(64) float share[3][4][LANES];
};

struct Rays {
    Floats origin[3], direction[3];
};

inline void locate(const Head& head, const Rays& rays, Floats depth, Places& places) {
    Floats point[3];
    for (int axis = 0; axis < 3; axis++) {
        Floats along = depth * rays.direction[axis];
        ROUNDED(along);
        point[axis] = rays.origin[axis] + along;
    }
    for (int w = 0; w < head.windows; w++) {
        const Window& window = head.window[w];
        Floats x = point[window.across_axis] * window.across_scale + window.across_shift;
        Floats y = point[window.down_axis] * window.down_scale + window.down_shift;
        x = smaller(larger(x, Floats{}), all(window.across_length - 1));
        y = smaller(larger(y, Floats{}), all(window.down_length - 1));
        Floats column = smaller(__builtin_convertvector(__builtin_convertvector(x, Ints), Floats), all(window.across_length - 2));
        Floats row = smaller(__builtin_convertvector(__builtin_convertvector(y, Ints), Floats), all(window.down_length - 2));
        Floats right = x - column, below = y - row, left = 1 - right, above = 1 - below;
        Ints texel = __builtin_convertvector(row, Ints) * window.across_length + __builtin_convertvector(column, Ints) + window.start;
        *reinterpret_cast<Ints*>(places.texel[w]) = texel;
        at(places.share[w][0]) = left * above;
        at(places.share[w][1]) = right * above;
        at(places.share[w][2]) = left * below;
        at(places.share[w][3]) = right * below;
    }
}

// GROUP vectors of units at a time: sums of four texels per window, then softplus.
template <int GROUP>
inline void look_up(const Head& head, const float* table, int units, const Places& places, int lane, float* hidden) {
    for (int unit = 0; unit < units; unit += GROUP * LANES) {
        Floats total[GROUP] = {};
        for (int w = 0; w < head.windows; w++) {
            const float* top = table + (int64_t)places.texel[w][lane] * units + unit;
            const float* bottom = top + (int64_t)head.window[w].across_length * units;
            const float a = places.share[w][0][lane], b = places.share[w][1][lane];
            const float c = places.share[w][2][lane], d = places.share[w][3][lane];
            for (int v = 0; v < GROUP; v++) {
                total[v] += a * at(top + v * LANES);
                total[v] += b * at(top + units + v * LANES);
                total[v] += c * at(bottom + v * LANES);
                total[v] += d * at(bottom + units + v * LANES);
            }
        }
        for (int v = 0; v < GROUP; v++) at(hidden + unit + v * LANES) = softplus(total[v]);
    }
}

inline void look_up(const Head& head, const float* table, int units, const Places& places, int lane, float* hidden) {
    if (units % (4 * LANES) == 0)
        look_up<4>(head, table, units, places, lane, hidden);
    else if (units % (2 * LANES) == 0)
        look_up<2>(head, table, units, places, lane, hidden);
    else
        look_up<1>(head, table, units, places, lane, hidden);
}

inline float density(const Head& head, const float* hidden) {
    Floats total = {};
    for (int unit = 0; unit < head.early_units; unit += LANES) total += at(hidden + unit) * at(head.to_density + unit);
    return sum(total) + head.density_bias;
}

// What hidden units of SAMPLES_AT_ONCE samples add to TILE vectors of output channels.
template <int TILE>
inline __attribute__((always_inline)) void add_units(Floats (&raw)[SAMPLES_AT_ONCE][TILE], const float* weights, int varying,
                                                     const float* const* hidden, int units) {
    for (int unit = 0; unit < units; unit++, weights += varying) {
        Floats weight[TILE];
        for (int v = 0; v < TILE; v++) weight[v] = at(weights + v * LANES);
        for (int s = 0; s < SAMPLES_AT_ONCE; s++)
            for (int v = 0; v < TILE; v++) raw[s][v] += weight[v] * hidden[s][unit];
    }
}

// Colours of samples, summed with their shares, for TILE vectors of output channels at a time. Count is a multiple of SAMPLES_AT_ONCE.
template <int TILE>
void add_colours(const Head& head, const float* const* early, const float* const* late, const float* shares, int count, float* sums) {
    for (int output = 0; output < head.varying; output += TILE * LANES) {
        Floats total[TILE] = {};
        for (int first = 0; first < count; first += SAMPLES_AT_ONCE) {
            Floats raw[SAMPLES_AT_ONCE][TILE];
            for (int s = 0; s < SAMPLES_AT_ONCE; s++)
                for (int v = 0; v < TILE; v++) raw[s][v] = at(head.colour_bias + output + v * LANES);
            const float* weights = head.to_colour + output;
            add_units<TILE>(raw, weights, head.varying, early + first, head.early_units);
            add_units<TILE>(raw, weights + (int64_t)head.early_units * head.varying, head.varying, late + first, head.late_units);
            for (int s = 0; s < SAMPLES_AT_ONCE; s++)
                for (int v = 0; v < TILE; v++) total[v] += shares[first + s] * (sigmoid(raw[s][v]) * 1.002f - 0.001f);
        }
        for (int v = 0; v < TILE; v++) at(sums + output + v * LANES) = total[v];
    }
}

// Light along LANES rays: how much of it still passes, and what each interval takes away.
struct Light {
    Floats passing = all(1.0f);

    Floats take(Floats nearer, Floats farther, Floats density_nearer, Floats density_farther) {
        Floats density = softplus((density_nearer + density_farther) * 0.5f - 1.0f);
        Floats alpha = 1.0f - exponential(-(density * (farther - nearer)));
        Floats weight = alpha * passing;
        passing *= 1.0f - alpha + 1e-10f;
        return weight;
    }
};

// Memory of one thread. Rows of LANES numbers have one ray per lane.
class Workspace {
  public:
    Workspace(const Head& head, int coarse, int fine) {
        const int depths = coarse + fine, shown = depths + LANES + SAMPLES_AT_ONCE;
        lay_out(head, coarse, fine, depths, shown);
        memory = static_cast<char*>(std::malloc(used + 64));
        if (!memory) return;
        used = 64 - reinterpret_cast<uintptr_t>(memory) % 64;
        lay_out(head, coarse, fine, depths, shown);
    }
    ~Workspace() { std::free(memory); }
    Workspace(const Workspace&) = delete;

    char* memory = nullptr;
    float *coarse_depth, *weight, *fine_depth, *merged_depth, *densities, *share;
    int32_t* source;  // of each merged depth: its number among the coarse, then the fine ones
    float* hidden;    // [lane][coarse + fine][early units]
    float *late_hidden, *shown_share, *shown_depth, *sums;
    const float **early_row, **late_row;

  private:
    size_t used = 0;

    template <class Number>
    void place(Number*& rows, int64_t count) {
        rows = reinterpret_cast<Number*>(reinterpret_cast<uintptr_t>(memory) + used);
        used += (count * sizeof(Number) + 63) / 64 * 64;
    }
    void lay_out(const Head& head, int coarse, int fine, int depths, int shown) {
        place(coarse_depth, LANES * coarse);
        place(weight, LANES * coarse);
        place(fine_depth, LANES * fine);
        place(merged_depth, LANES * depths);
        place(source, LANES * depths);
        place(densities, LANES * depths);
        place(share, LANES * depths);
        place(hidden, (int64_t)LANES * depths * head.early_units);
        place(late_hidden, (int64_t)shown * head.late_units);
        place(shown_share, shown);
        place(shown_depth, shown);
        place(sums, head.varying);
        place(early_row, shown);
        place(late_row, shown);
    }
};

struct Call {
    const Head& head;
    const float *origins, *directions, *depths, *positions;
    int64_t rays, positions_stride;
    int coarse, fine;
    float stop_below, colour_above;
    float *colour, *depth, *opacity;

    void block(int64_t first, Workspace& space) const;

  private:
    void evaluate(const Places& places, int lane, int sample, Workspace& space) const {
        float* hidden = space.hidden + ((int64_t)lane * (coarse + fine) + sample) * head.early_units;
        look_up(head, head.early, head.early_units, places, lane, hidden);
        space.densities[sample * LANES + lane] = density(head, hidden);
    }
    void spread(int64_t first, int lanes, Workspace& space) const;
    void merge(int lanes, Workspace& space) const;
    void colours(const Rays& rays, int64_t ray, int lane, Workspace& space) const;
};

void Call::block(int64_t first, Workspace& space) const {
    const int lanes = rays - first < LANES ? rays - first : LANES;
    Rays block;
    for (int lane = 0; lane < LANES; lane++) {
        const int64_t ray = first + (lane < lanes ? lane : lanes - 1);
        for (int axis = 0; axis < 3; axis++) {
            block.origin[axis][lane] = origins[3 * ray + axis];
            block.direction[axis][lane] = directions[3 * ray + axis];
        }
        for (int i = 0; i < coarse; i++) space.coarse_depth[i * LANES + lane] = depths[ray * coarse + i];
    }

    // First pass. known: how many coarse densities of each ray have been worked out.
    Places places;
    Light light;
    int known[LANES];
    bool alive[LANES];
    for (int lane = 0; lane < LANES; lane++) {
        known[lane] = 0;
        alive[lane] = lane < lanes;
    }
    const float* z = space.coarse_depth;
    for (int start = 0; start < coarse; start += WALK) {
        const int stop = start + WALK < coarse ? start + WALK : coarse;
        for (int i = start; i < stop; i++) {
            locate(head, block, at(z + i * LANES), places);
            at(space.densities + i * LANES) = all(UNSEEN);
            for (int lane = 0; lane < lanes; lane++)
                if (alive[lane]) evaluate(places, lane, i, space);
            if (!i) continue;
            const float* d = space.densities + i * LANES;
            at(space.weight + (i - 1) * LANES) = light.take(at(z + (i - 1) * LANES), at(z + i * LANES), at(d - LANES), at(d));
        }
        for (int lane = 0; lane < lanes; lane++) {
            if (alive[lane]) known[lane] = stop;
            alive[lane] = alive[lane] && light.passing[lane] >= stop_below;
        }
    }

    spread(first, lanes, space);
    merge(lanes, space);

    // Second pass.
    const int count = coarse + fine;
    light = Light();
    Floats total = {}, distance = {}, before = {};
    for (int lane = 0; lane < lanes; lane++) alive[lane] = true;
    float* merged_density = space.weight;  // of two neighbours; the first pass has no more use for its rows
    z = space.merged_depth;
    for (int start = 0; start < count; start += WALK) {
        const int stop = start + WALK < count ? start + WALK : count;
        for (int k = start; k < stop; k++) {
            bool located = false;
            float* row = merged_density + (k & 1) * LANES;
            const float* other = merged_density + (~k & 1) * LANES;
            at(row) = all(UNSEEN);
            for (int lane = 0; lane < lanes; lane++) {
                if (!alive[lane]) continue;
                const int sample = space.source[k * LANES + lane];
                if (sample >= known[lane]) {
                    if (!located) locate(head, block, at(z + k * LANES), places);
                    located = true;
                    evaluate(places, lane, sample, space);
                }
                row[lane] = space.densities[sample * LANES + lane];
            }
            if (!k) continue;
            Floats weight = light.take(at(z + (k - 1) * LANES), at(z + k * LANES), at(other), at(row));
            at(space.share + (k - 1) * LANES) = (before + weight) * 0.5f;
            before = weight;
            total += weight;
            distance += weight * ((at(z + (k - 1) * LANES) + at(z + k * LANES)) * 0.5f);
        }
        for (int lane = 0; lane < lanes; lane++) alive[lane] = alive[lane] && light.passing[lane] >= stop_below;
    }
    at(space.share + (count - 1) * LANES) = before * 0.5f;

    distance /= total;
    for (int lane = 0; lane < lanes; lane++) {
        opacity[first + lane] = total[lane];
        depth[first + lane] = distance[lane];
        float* pixel = colour + (first + lane) * head.channels;
        for (int channel = 0; channel < head.channels; channel++) pixel[channel] = total[lane] * head.constant[channel];
        colours(block, first + lane, lane, space);
    }
}

// Fine depths: where the first pass found weight (spec 03 section 8).
void Call::spread(int64_t first, int lanes, Workspace& space) const {
    if (!fine) return;
    const int last = coarse - 3;  // number of the last bin in use
    float* weight = space.weight;
    float* cumulative = space.share;         // [last + 1]
    float* bins = space.merged_depth;        // [last + 1]; both rows are free until depths are merged
    auto row = [](float* rows, int i) -> Floats& { return at(rows + i * LANES); };
    Floats total = {};
    for (int j = 0; j < last; j++) {
        // share of coarse interval j + 1: mean of two maxima of neighbours, 0 .. coarse - 2
        Floats lower = larger(row(weight, j), row(weight, j + 1)), upper = larger(row(weight, j + 1), row(weight, j + 2));
        row(cumulative, j + 1) = (lower + upper) * 0.5f + 0.01f + 1e-5f;
        total += row(cumulative, j + 1);
    }
    row(cumulative, 0) = Floats{};
    for (int j = 1; j <= last; j++) row(cumulative, j) = row(cumulative, j - 1) + row(cumulative, j) / total;
    for (int j = 0; j <= last; j++) row(bins, j) = (row(space.coarse_depth, j) + row(space.coarse_depth, j + 1)) * 0.5f;

    for (int lane = 0; lane < lanes; lane++) {
        const float* u = positions + (first + lane) * positions_stride;
        int right = 0;
        for (int k = 0; k < fine; k++) {
            while (right <= last && cumulative[right * LANES + lane] <= u[k]) right++;
            const int lo = right ? right - 1 : 0, hi = right < last ? right : last;
            const float start = cumulative[lo * LANES + lane], width = cumulative[hi * LANES + lane] - start;
            const float nearer = bins[lo * LANES + lane], farther = bins[hi * LANES + lane];
            const float found = nearer + (u[k] - start) / (width < 1e-5f ? 1.0f : width) * (farther - nearer);
            space.fine_depth[k * LANES + lane] = found < farther ? found : farther;
        }
    }
}

void Call::merge(int lanes, Workspace& space) const {
    for (int lane = 0; lane < LANES; lane++) {
        const int from = lane < lanes ? lane : lanes - 1;
        const float *a = space.coarse_depth + from, *b = space.fine_depth + from;
        int i = 0, j = 0;
        for (int k = 0; k < coarse + fine; k++) {
            const bool first = j == fine || (i < coarse && a[i * LANES] <= b[j * LANES]);
            space.merged_depth[k * LANES + lane] = first ? a[i * LANES] : b[j * LANES];
            space.source[k * LANES + lane] = first ? i : coarse + j;
            i += first;
            j += !first;
        }
    }
}

// Colours of one ray's samples that show.
void Call::colours(const Rays& block, int64_t ray, int lane, Workspace& space) const {
    int shown = 0;
    for (int k = 0; k < coarse + fine; k++) {
        const float share = space.share[k * LANES + lane];
        if (!(share > colour_above)) continue;
        const int sample = space.source[k * LANES + lane];
        space.shown_share[shown] = share;
        space.shown_depth[shown] = space.merged_depth[k * LANES + lane];
        space.early_row[shown] = space.hidden + ((int64_t)lane * (coarse + fine) + sample) * head.early_units;
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
            locate(head, same, at(space.shown_depth + start), places);
            for (int i = start; i < shown && i < start + LANES; i++)
                look_up(head, head.late, head.late_units, places, i - start, space.late_hidden + (int64_t)i * head.late_units);
        }
    }
    if (head.varying % (2 * LANES) == 0)
        add_colours<2>(head, space.early_row, space.late_row, space.shown_share, shown, space.sums);
    else
        add_colours<1>(head, space.early_row, space.late_row, space.shown_share, shown, space.sums);
    for (int i = 0; i < head.written; i++) colour[ray * head.channels + head.outputs[i]] = space.sums[i];
}

}  // namespace

// Marches rays; arguments and results are those of real3d_core.render.ray_marching.march_rays. positions_stride is 0 where all rays share
// their positions, else their number. A ray is followed until less than stop_below of its light passes; samples add their colour if
// their share exceeds colour_above (0 and -1: everything is worked out). Returns 0, or 1 for want of memory.
int32_t march(const Head* head, const float* origins, const float* directions, const float* depths, const float* positions,
              int64_t rays, int32_t coarse, int32_t fine, int64_t positions_stride, float stop_below, float colour_above, int32_t threads,
              float* colour, float* depth, float* opacity) {
    const Call call{*head,  origins, directions, depths,     positions,    rays,   positions_stride,
                    coarse, fine,    stop_below, colour_above, colour, depth,  opacity};
    int32_t failed = 0;
#ifdef _OPENMP
#pragma omp parallel num_threads(threads) reduction(| : failed)
#endif
    {
        Workspace space(*head, coarse, fine);
        failed |= !space.memory;
#ifdef _OPENMP
#pragma omp for schedule(dynamic)
#endif
        for (int64_t first = 0; first < rays; first += LANES)
            if (space.memory) call.block(first, space);
    }
    return failed;
}

// Samples of rays: their texels in the table, their hidden units, and what these add to the colours.

namespace {

const int IN_ORDER[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

// Where points lie in the table: per window and lane the first texel and the shares of its four corners, and of those one layer deeper.
struct Places {
    alignas(64) int32_t texel[3][LANES];
    alignas(64) float share[3][4][LANES];
    alignas(64) float deeper[3][4][LANES];
};

struct Rays {
    Floats origin[3], direction[3];
};

// STACKED: the head's windows are stacks.
template <bool STACKED>
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
        at(places.texel[w]) = texel;
        at(places.share[w][0]) = left * above;
        at(places.share[w][1]) = right * above;
        at(places.share[w][2]) = left * below;
        at(places.share[w][3]) = right * below;
        if (!STACKED) continue;
        Floats z = point[window.through_axis] * window.through_scale + window.through_shift;
        z = smaller(larger(z, Floats{}), all(window.through_length - 1));
        Floats layer = smaller(__builtin_convertvector(__builtin_convertvector(z, Ints), Floats), all(window.through_length - 2));
        at(places.texel[w]) += __builtin_convertvector(layer, Ints) * (window.across_length * window.down_length);
        for (int corner = 0; corner < 4; corner++) {
            Floats& share = at(places.share[w][corner]);
            at(places.deeper[w][corner]) = share * (z - layer);
            share *= 1 - (z - layer);
        }
    }
}

// Adds the four texels at and behind `texels`, with their shares.
template <int SAMPLES, int GROUP>
inline __attribute__((always_inline)) void add_corners(const float* const (&texels)[SAMPLES], const float (&share)[4][LANES], int row,
                                                       int units, const int* lanes, Floats (&hidden)[SAMPLES * GROUP]) {
#pragma GCC unroll 4
    for (int corner = 0; corner < 4; corner++)
        for (int s = 0; s < SAMPLES; s++) {
            const float* texel = texels[s] + (int64_t)(corner / 2 * row + corner % 2) * units;
            for (int v = 0; v < GROUP; v++) hidden[s * GROUP + v] += share[corner][lanes[s]] * at(texel + v * LANES);
        }
}

// GROUP vectors of units of SAMPLES lanes at a time: sums of four texels per window and layer, then softplus. Neighbouring lanes keep a
// processor busy while a lane waits for its own sums. WINDOWS: as many as the head has, 0 if unknown. hidden: lane after lane.
template <int SAMPLES, int GROUP, int WINDOWS, bool STACKED>
inline __attribute__((always_inline)) void look_up(const Head& head, const float* table, int units, const Places& places, const int* lanes,
                                                   int unit, Floats (&hidden)[SAMPLES * GROUP]) {
    for (Floats& some : hidden) some = Floats{};
#pragma GCC unroll 2
    for (int w = 0; w < (WINDOWS ? WINDOWS : head.windows); w++) {
        const float* texels[SAMPLES];
        for (int s = 0; s < SAMPLES; s++) texels[s] = table + (int64_t)places.texel[w][lanes[s]] * units + unit;
        add_corners<SAMPLES, GROUP>(texels, places.share[w], head.window[w].across_length, units, lanes, hidden);
        if (!STACKED) continue;
        for (const float*& texel : texels) texel += (int64_t)head.window[w].across_length * head.window[w].down_length * units;
        add_corners<SAMPLES, GROUP>(texels, places.deeper[w], head.window[w].across_length, units, lanes, hidden);
    }
    hidden_softplus_2(hidden);
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
            for (int s = 0; s < SAMPLES_AT_ONCE; s++) {
                sigmoid(raw[s]);
                for (int v = 0; v < TILE; v++) total[v] += shares[first + s] * (raw[s][v] * 1.002f - 0.001f);
            }
        }
        for (int v = 0; v < TILE; v++) at(sums + output + v * LANES) = total[v];
    }
}

}  // namespace

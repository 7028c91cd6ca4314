// What a thread keeps while it marches a block of LANES rays: light, memory, and which lanes go on.

namespace {

const int WALK = 8;              // depths between two looks at whether a ray still sees anything

// Light along LANES rays: how much of it still passes, and what each interval takes away.
struct Light {
    Floats passing = all(1.0f);

    // WALK intervals one after the other. z, d: rows of depths and densities, of which those before the first one are its beginning; an
    // interval of no length takes nothing. weight: rows.
    void take(const float* z, const float* d, float* weight) {
        Floats density[WALK], left[WALK];
        for (int i = 0; i < WALK; i++) density[i] = ((at(d + (i - 1) * LANES) + at(d + i * LANES)) * 0.5f - 1.0f) * LOG2_E;
        softplus_2(density);
        for (int i = 0; i < WALK; i++) density[i] = density[i] * (at(z + (i - 1) * LANES) - at(z + i * LANES));
        power_of_2(density, left);  // what it lets pass: exp(-softplus * length), all in base 2
        for (int i = 0; i < WALK; i++) {
            const Floats alpha = 1.0f - left[i];
            at(weight + i * LANES) = alpha * passing;
            passing *= 1.0f - alpha + 1e-10f;
        }
    }
};

// Memory of one thread. Rows of LANES numbers have one ray per lane.
class Workspace {
  public:
    Workspace(const Head& head, int coarse, int fine) {
        const int depths = coarse + fine, shown = depths + LANES + SAMPLES_AT_ONCE;
        lay_out(head, coarse, depths, shown);
        memory = static_cast<char*>(std::malloc(used + 64));
        if (!memory) return;
        used = 64 - reinterpret_cast<uintptr_t>(memory) % 64;
        lay_out(head, coarse, depths, shown);
    }
    ~Workspace() { std::free(memory); }
    Workspace(const Workspace&) = delete;

    char* memory = nullptr;
    float *coarse_depth, *coarse_density, *cumulative, *bins;
    float *depth, *density;  // [coarse + fine] all depths ascending, and the densities that the first pass has found there
    float* weight;           // of the interval before each depth, those of the first pass, then those of the second
    int32_t* source;         // of each depth: its number among the coarse, then the fine ones
    float* hidden;           // [lane][coarse + fine][early units]
    float *late_hidden, *shown_share, *shown_depth, *sums;
    float* picture;          // [channels] colours
    const float **early_row, **late_row;

  private:
    size_t used = 0;

    template <class Number>
    void place(Number*& rows, int64_t count) {
        rows = reinterpret_cast<Number*>(reinterpret_cast<uintptr_t>(memory) + used);
        used += (count * sizeof(Number) + 63) / 64 * 64;
    }
    void lay_out(const Head& head, int coarse, int depths, int shown) {
        // Light takes a row before the first one, and full walks.
        for (float** rows : {&coarse_depth, &coarse_density, &cumulative, &bins, &depth, &density, &weight}) {
            const int64_t count = rows == &depth || rows == &density || rows == &weight ? depths : coarse;
            place(*rows, (count + 1 + WALK) * LANES);
            *rows += LANES;
        }
        place(source, LANES * depths);
        place(hidden, (int64_t)LANES * depths * head.early_units);
        place(late_hidden, (int64_t)shown * head.late_units);
        place(shown_share, shown);
        place(shown_depth, shown);
        place(sums, head.varying);
        place(picture, LANES * head.channels);
        place(early_row, shown);
        place(late_row, shown);
    }
};

// Some of a block's lanes.
struct Chosen {
    int count = 0, lane[LANES + LOOKED_UP_AT_ONCE];  // the last one again and again behind them
    alignas(64) int32_t mask[LANES];  // -1 where chosen

    template <class Wanted>
    void choose(int lanes, Wanted wanted) {
        count = 0;
        for (int i = 0; i < LANES; i++) {
            const bool in = i < lanes && wanted(i);
            mask[i] = -in;
            lane[count] = i;
            count += in;
        }
        for (int i = 0; count && i < LOOKED_UP_AT_ONCE; i++) lane[count + i] = lane[count - 1];
    }
};

}  // namespace

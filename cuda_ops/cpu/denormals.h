// Numbers below 1.2e-38 cost a processor a hundred times what others do, and light that hardly passes any more is full of them.

namespace {

// While it lives, such numbers are zeros in this thread; afterwards they are what they were before.
class NoDenormals {
  public:
#if defined(__x86_64__)
    NoDenormals() : before(_mm_getcsr()) { _mm_setcsr(before | 0x8040); }  // results and operands
    ~NoDenormals() { _mm_setcsr(before); }

  private:
    const unsigned before;
#elif defined(__aarch64__)
    NoDenormals() {
        __asm__ volatile("mrs %0, fpcr" : "=r"(before));
        __asm__ volatile("msr fpcr, %0" ::"r"(before | 1u << 24));
    }
    ~NoDenormals() { __asm__ volatile("msr fpcr, %0" ::"r"(before)); }

  private:
    uint64_t before;
#endif
};

}  // namespace

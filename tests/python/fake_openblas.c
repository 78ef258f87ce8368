/* What raptors calls of CBLAS, by definition, under OpenBLAS's file name: for tests where it is not installed. Each call is
 * written to stderr. */
#include <stdio.h>

enum { ROW_MAJOR = 101, AS_IT_IS = 111 };

#define ROUTINES(letter, real)                                                                                          \
    void cblas_##letter##gemm(int order, int ta, int tb, int m, int n, int k, real alpha, const real *a, int lda,       \
                              const real *b, int ldb, real beta, real *c, int ldc) {                                    \
        fprintf(stderr, "cblas_" #letter "gemm %d %d %d order %d\n", m, n, k, order);                                   \
        for (int i = 0; i < m; i++)                                                                                     \
            for (int j = 0; j < n; j++) {                                                                               \
                real sum = 0;                                                                                           \
                for (int l = 0; l < k; l++)                                                                             \
                    sum += (ta == AS_IT_IS ? a[(long)i * lda + l] : a[(long)l * lda + i]) *                             \
                           (tb == AS_IT_IS ? b[(long)l * ldb + j] : b[(long)j * ldb + l]);                              \
                c[(long)i * ldc + j] = alpha * sum + (beta == 0 ? 0 : beta * c[(long)i * ldc + j]);                     \
            }                                                                                                           \
    }                                                                                                                   \
    void cblas_##letter##gemv(int order, int ta, int m, int n, real alpha, const real *a, int lda, const real *x,       \
                              int incx, real beta, real *y, int incy) {                                                 \
        fprintf(stderr, "cblas_" #letter "gemv %d %d order %d\n", m, n, order);                                         \
        int rows = ta == AS_IT_IS ? m : n, columns = ta == AS_IT_IS ? n : m;                                            \
        for (int i = 0; i < rows; i++) {                                                                                \
            real sum = 0;                                                                                               \
            for (int j = 0; j < columns; j++)                                                                           \
                sum += (ta == AS_IT_IS ? a[(long)i * lda + j] : a[(long)j * lda + i]) * x[(long)j * incx];              \
            y[(long)i * incy] = alpha * sum + (beta == 0 ? 0 : beta * y[(long)i * incy]);                               \
        }                                                                                                               \
    }                                                                                                                   \
    real cblas_##letter##dot(int n, const real *x, int incx, const real *y, int incy) {                                 \
        fprintf(stderr, "cblas_" #letter "dot %d\n", n);                                                                \
        real sum = 0;                                                                                                   \
        for (int i = 0; i < n; i++)                                                                                     \
            sum += x[(long)i * incx] * y[(long)i * incy];                                                               \
        return sum;                                                                                                     \
    }                                                                                                                   \
    void cblas_##letter##scal(int n, real alpha, real *x, int incx) {                                                   \
        for (int i = 0; i < n; i++)                                                                                     \
            x[(long)i * incx] *= alpha;                                                                                 \
    }

ROUTINES(s, float)
ROUTINES(d, double)

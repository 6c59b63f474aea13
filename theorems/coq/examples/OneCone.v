(* Fact E6', with one cone: for the kernel K = [[1, 1/2], [1/2, 2]] and the step size eta = 101/100 the exponent of SGD is negative,
   although eta K_22 = 101/50 > 2, so that the second step expands.

   By hand: the steps are A_1 = [[-1/100, 0], [-101/200, 1]] and A_2 = [[1, -101/200], [0, -51/50]]. Put v = s (9, 16) + t (-1, 16) with
   s, t >= 0 and h(v) = 7 s + 8 t. Both A_1 v and -A_2 v are again nonnegative combinations of the two vectors, and h(A_1 v) h(A_2 v) - h(v)^2
   is a form in s, t with three negative coefficients; so ln h decreases on average at every step. They stay negative with (24/25) h(v)^2 in place of
   h(v)^2, which is what Coq computes below; hence even lambda <= (1/2) ln (24/25).

   coqc -Q LIBRARY SgdVerify OneCone.v, LIBRARY being the folder of the compiled library (see README.md) *)
From Coq Require Import Reals ZArith QArith List Lia.
From SgdVerify Require Import Exponent Certificates.
Import ListNotations.
Open Scope Z_scope.

Definition K : list (list Q) := [[1; 1#2]; [1#2; 2]]%Q.
Definition eta : Q := (101#100)%Q.

(* One cone, mapped into itself by the first step and into its negative by the second *)
Definition cones : form_certificate := [(form_plane 9 16 (-1) 16 [7; 8], to [1; -1])].

Theorem one_cone : (lambda K eta < 0%R)%ext.
Proof. rewrite <- rational_zero. exact (by_planar_forms (sgd K eta) Below (Effort 76 4) 0%Q 1 24 25 cones ltac:(vm_cast_no_check (eq_refl true))). Qed.

(* The same, spelled out: E ln ||A_{i_n} ... A_{i_1}|| / n tends to a negative limit (or to -infinity), where i_1, i_2, ... are independent,
   0 or 1 with probability 1/2, and A_i = I - eta K e_i e_i^T over the reals. *)
Corollary one_cone_spelled_out :
  (lyapunov 2 2 (fun _ => / 2) (fun i => pull_step (101 / 100) (fun j => Q2R (qentry K j i)) (fun k => rdelta k i)) < 0%R)%ext.
Proof.
  pose proof one_cone as H. rewrite lambda_meaning in H by (simpl; lia). simpl INR in H.
  replace (Q2R eta) with (101 / 100)%R in H by (unfold Q2R; simpl; reflexivity). replace (1 + 1)%R with 2%R in H by reflexivity. exact H.
Qed.

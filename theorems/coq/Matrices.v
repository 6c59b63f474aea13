(* Real d x d matrices and vectors of R^d as functions of indices: products, the Frobenius norm of a matrix and the
   Euclidean norm of a vector. Entries with an index >= d play no part; mat_eq and vec_eq are equality of the others. *)
From Coq Require Import Reals Lra Lia Psatz Arith.
From SgdVerify Require Import Sums.
Open Scope R_scope.


Definition vec := nat -> R.
Definition mat := nat -> nat -> R.

(* The product with inner dimension n *)
Definition mul (n : nat) (A B : mat) : mat := fun i j => rsum n (fun k => A i k * B k j).
Lemma mul_assoc m n A B C : forall i j, mul m A (mul n B C) i j = mul n (mul m A B) C i j.
Proof.
  intros i j. unfold mul.
  rewrite (rsum_ext m _ (fun k => rsum n (fun l => A i k * B k l * C l j))).
  2:{ intros k _. rewrite <- rsum_scal. apply rsum_ext; intros; ring. }
  rewrite rsum_swap. apply rsum_ext; intros l _. now rewrite <- rsum_scal_r.
Qed.

Section Dimension.
Variable d : nat.

Local Notation mul := (mul d).
Definition mulv (A : mat) (v : vec) : vec := fun i => rsum d (fun k => A i k * v k).
Definition eye : mat := fun i j => if Nat.eqb i j then 1 else 0.
(* Frobenius and Euclidean norm *)
Definition frobenius (A : mat) : R := sqrt (rsum d (fun i => rsum d (fun j => A i j ^ 2))).
Definition norm (v : vec) : R := sqrt (rsum d (fun i => v i ^ 2)).
Definition mat_eq (A B : mat) := forall i j, (i < d)%nat -> (j < d)%nat -> A i j = B i j.
Definition vec_eq (u v : vec) := forall i, (i < d)%nat -> u i = v i.

Lemma sq_nonneg x : 0 <= x ^ 2. Proof. apply pow2_ge_0. Qed.

Lemma frobenius_square_nonneg A : 0 <= rsum d (fun i => rsum d (fun j => A i j ^ 2)).
Proof. apply rsum_nonneg; intros; apply rsum_nonneg; intros; apply sq_nonneg. Qed.
Lemma norm_square_nonneg v : 0 <= rsum d (fun i => v i ^ 2).
Proof. apply rsum_nonneg; intros; apply sq_nonneg. Qed.
Lemma frobenius_nonneg A : 0 <= frobenius A. Proof. apply sqrt_pos. Qed.
Lemma norm_nonneg v : 0 <= norm v. Proof. apply sqrt_pos. Qed.

Lemma frobenius_ext A B : mat_eq A B -> frobenius A = frobenius B.
Proof.
  intros H. unfold frobenius. f_equal. apply rsum_ext; intros i Hi. apply rsum_ext; intros j Hj.
  now rewrite H.
Qed.
Lemma norm_ext u v : vec_eq u v -> norm u = norm v.
Proof. intros H. unfold norm. f_equal. apply rsum_ext; intros i Hi. now rewrite H. Qed.
Lemma mul_ext A B M N : mat_eq A B -> mat_eq M N -> mat_eq (mul A M) (mul B N).
Proof. intros H K i j Hi Hj. apply rsum_ext; intros k Hk. rewrite H, K; auto. Qed.
Lemma mulv_ext A B u v : mat_eq A B -> vec_eq u v -> vec_eq (mulv A u) (mulv B v).
Proof. intros H K i Hi. apply rsum_ext; intros k Hk. rewrite H, K; auto. Qed.

Lemma mulv_mul A B v : forall i, mulv (mul A B) v i = mulv A (mulv B v) i.
Proof.
  intros i. unfold mulv, mul.
  rewrite (rsum_ext d (fun k => A i k * _) (fun k => rsum d (fun l => A i k * B k l * v l))).
  2:{ intros k _. rewrite <- rsum_scal. apply rsum_ext; intros; ring. }
  rewrite rsum_swap. apply rsum_ext; intros l _. now rewrite <- rsum_scal_r.
Qed.
Lemma eye_mul A : mat_eq (mul eye A) A.
Proof. intros i j Hi Hj. unfold mul, eye. now rewrite rsum_delta. Qed.
Lemma eye_mulv v : vec_eq (mulv eye v) v.
Proof. intros i Hi. unfold mulv, eye. now rewrite rsum_delta. Qed.

Lemma frobenius_mul A B : frobenius (mul A B) <= frobenius A * frobenius B.
Proof.
  unfold frobenius. rewrite <- sqrt_mult by apply frobenius_square_nonneg. apply sqrt_le_1_alt.
  eapply Rle_trans.
  apply rsum_le; intros i _. apply rsum_le; intros j _. apply cauchy_schwarz.
  simpl. right.
  rewrite <- rsum_scal_r. apply rsum_ext; intros i _.
  rewrite rsum_scal. f_equal. rewrite rsum_swap. reflexivity.
Qed.

Lemma norm_mulv A v : norm (mulv A v) <= frobenius A * norm v.
Proof.
  unfold frobenius, norm. rewrite <- sqrt_mult by (apply frobenius_square_nonneg || apply norm_square_nonneg).
  apply sqrt_le_1_alt. rewrite <- rsum_scal_r. apply rsum_le; intros i _. apply cauchy_schwarz.
Qed.

Lemma norm_coordinate v i : (i < d)%nat -> Rabs (v i) <= norm v.
Proof.
  intros Hi. unfold norm. rewrite <- sqrt_Rsqr_abs. apply sqrt_le_1_alt. unfold Rsqr.
  replace (v i * v i) with (v i ^ 2) by ring.
  apply (rsum_term_le d (fun i => v i ^ 2)); auto. intros; apply sq_nonneg.
Qed.

Lemma sum_sq_le n (f : nat -> R) : (forall i, (i < n)%nat -> 0 <= f i) ->
  rsum n (fun i => f i ^ 2) <= (rsum n f) ^ 2.
Proof.
  induction n; intros H; cbn [rsum]. simpl; lra.
  assert (0 <= rsum n f) by (apply rsum_nonneg; intros; apply H; lia).
  assert (0 <= f n) by (apply H; lia).
  assert (rsum n (fun i => f i ^ 2) <= (rsum n f)^2) by (apply IHn; intros; apply H; lia).
  assert (0 <= rsum n f * f n) by (apply Rmult_le_pos; auto).
  replace ((rsum n f + f n)^2) with ((rsum n f)^2 + 2 * (rsum n f * f n) + f n ^ 2) by ring. lra.
Qed.

Lemma norm_le_sum v : norm v <= rsum d (fun i => Rabs (v i)).
Proof.
  unfold norm.
  assert (H : 0 <= rsum d (fun i => Rabs (v i))) by (apply rsum_nonneg; intros; apply Rabs_pos).
  rewrite <- (sqrt_pow2 _ H). apply sqrt_le_1_alt.
  eapply Rle_trans; [| apply sum_sq_le; intros; apply Rabs_pos].
  apply rsum_le; intros i _. rewrite pow2_abs. lra.
Qed.

(* ||A||_F <= sum_j |A e_j|, column norms *)
Lemma frobenius_le_columns A : frobenius A <= rsum d (fun j => norm (fun i => A i j)).
Proof.
  unfold frobenius.
  assert (H : 0 <= rsum d (fun j => norm (fun i => A i j))) by (apply rsum_nonneg; intros; apply norm_nonneg).
  rewrite <- (sqrt_pow2 _ H). apply sqrt_le_1_alt.
  eapply Rle_trans; [| apply sum_sq_le; intros; apply norm_nonneg].
  rewrite rsum_swap. apply rsum_le; intros j _. unfold norm. rewrite pow2_sqrt. lra.
  apply (norm_square_nonneg (fun i => A i j)).
Qed.

Lemma frobenius_eye_ge_1 : (0 < d)%nat -> 1 <= frobenius eye.
Proof.
  intros Hd. unfold frobenius. rewrite <- sqrt_1 at 1. apply sqrt_le_1_alt.
  eapply Rle_trans; [| apply (rsum_term_le d (fun i => rsum d (fun j => eye i j ^ 2)) 0%nat Hd); intros; apply rsum_nonneg; intros; apply sq_nonneg].
  eapply Rle_trans; [| apply (rsum_term_le d (fun j => eye 0%nat j ^ 2) 0%nat Hd); intros; apply sq_nonneg].
  unfold eye; simpl; lra.
Qed.
End Dimension.

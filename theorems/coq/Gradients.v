(* The exponent belongs to the Gram matrix of the gradients: two descriptions of SGD by steps v -> v - eta f_i(v) a_i with the same numbers
   f_i(a_j), in which the a_j span and the f_i see every direction, have the same exponent (`same_gram`). So `lambda K eta`, stated for residuals
   (a_i = K e_i, f_i = e_i), is the exponent of the matrices I - eta g_i g_i^T on the span of gradients with <g_i, g_j> = K_ij
   (`lambda_of_gradients`), whichever gradients these are. *)
From Coq Require Import Reals Lra Lia Arith List ZArith QArith Qreals.
From SgdVerify Require Import Sums ExtendedReals Matrices RandomProducts Exponent Invariance RationalFamily Sgd.
Open Scope R_scope.

Definition pairing (d : nat) (f a : vec) : R := rsum d (fun k => f k * a k).

Section OneDirection.
Variables (d d' N : nat) (p : nat -> R) (eta : R) (a f a' f' : nat -> vec) (right right' : nat -> vec) (left' : nat -> vec).
Hypothesis Hp : probability N p.
Hypothesis Hd : (0 < d)%nat.
Hypothesis Hd' : (0 < d')%nat.
Hypothesis Hgram : forall i j, (i < N)%nat -> (j < N)%nat -> pairing d (f i) (a j) = pairing d' (f' i) (a' j).
(* The a_j, and the a'_j, span. *)
Hypothesis Hright : forall k l, (k < d)%nat -> (l < d)%nat -> rsum N (fun j => a j k * right j l) = rdelta k l.
Hypothesis Hright' : forall k l, (k < d')%nat -> (l < d')%nat -> rsum N (fun j => a' j k * right' j l) = rdelta k l.
(* The f'_i see every direction. *)
Hypothesis Hleft' : forall k l, (k < d')%nat -> (l < d')%nat -> rsum N (fun i => left' i k * f' i l) = rdelta k l.

Definition carried : mat := fun k l => rsum N (fun j => a' j k * right j l).
Definition carried_back : mat := fun k l => rsum N (fun j => a j k * right' j l).

Lemma rdelta_l n k g : (k < n)%nat -> rsum n (fun l => rdelta k l * g l) = g k.
Proof. intros Hk. unfold rdelta. now rewrite rsum_delta. Qed.

Lemma functional_carried i l : (i < N)%nat -> (l < d)%nat -> rsum d' (fun k => f' i k * carried k l) = f i l.
Proof.
  intros Hi Hl. unfold carried.
  rewrite (rsum_ext d' _ (fun k => rsum N (fun j => f' i k * a' j k * right j l))).
  2:{ intros k _. rewrite <- rsum_scal. apply rsum_ext; intros; ring. }
  rewrite rsum_swap.
  rewrite (rsum_ext N _ (fun j => rsum d (fun k => f i k * (a j k * right j l)))).
  2:{ intros j Hj. rewrite rsum_scal_r. fold (pairing d' (f' i) (a' j)). rewrite <- Hgram by auto. unfold pairing. rewrite <- rsum_scal_r. apply rsum_ext; intros; ring. }
  rewrite rsum_swap. rewrite (rsum_ext d _ (fun k => rdelta l k * f i k)). now apply rdelta_l.
  intros k Hk. rewrite rsum_scal, Hright by auto. unfold rdelta. rewrite (Nat.eqb_sym k l). ring.
Qed.

Lemma vector_carried i k : (i < N)%nat -> (k < d')%nat -> rsum d (fun l => carried k l * a i l) = a' i k.
Proof.
  intros Hi Hk.
  (* both sides have the same values under all f'_m, and the f'_m see every direction *)
  assert (seen : forall v, (forall m, (m < N)%nat -> pairing d' (f' m) v = pairing d' (f' m) (a' i)) -> v k = a' i k).
  { assert (G : forall v, v k = rsum N (fun m => left' m k * pairing d' (f' m) v)).
    { intros v. unfold pairing. rewrite (rsum_ext N _ (fun m => rsum d' (fun l => left' m k * f' m l * v l))).
      2:{ intros m _. rewrite <- rsum_scal. apply rsum_ext; intros; ring. }
      rewrite rsum_swap. symmetry. rewrite (rsum_ext d' _ (fun l => rdelta k l * v l)). now apply rdelta_l.
      intros l Hl. rewrite rsum_scal_r. now rewrite Hleft'. }
    intros v Hv. rewrite (G v), (G (a' i)). apply rsum_ext. intros m Hm. now rewrite Hv. }
  apply (seen (fun k => rsum d (fun l => carried k l * a i l))). intros m Hm. unfold pairing at 1.
  rewrite (rsum_ext d' _ (fun k => rsum d (fun l => f' m k * carried k l * a i l))).
  2:{ intros j _. rewrite <- rsum_scal. apply rsum_ext; intros; ring. }
  rewrite rsum_swap. rewrite <- Hgram by auto. unfold pairing. apply rsum_ext. intros l Hl. rewrite rsum_scal_r. now rewrite functional_carried.
Qed.

Theorem same_gram_le : (lyapunov d' N p (fun i => pull_step eta (a' i) (f' i)) <= lyapunov d N p (fun i => pull_step eta (a i) (f i)))%ext.
Proof.
  apply (lyapunov_intertwined d d' N p _ _ carried carried_back Hp Hd Hd').
  - intros i Hi k l Hk Hl. unfold mul, pull_step.
    rewrite (rsum_ext d _ (fun m => rdelta l m * carried k m + (- eta * f i l) * (carried k m * a i m))).
    2:{ intros m _. unfold rdelta. rewrite (Nat.eqb_sym m l). ring. }
    rewrite rsum_plus, rdelta_l, rsum_scal, vector_carried by auto.
    rewrite (rsum_ext d' _ (fun m => rdelta k m * carried m l + (- eta * a' i k) * (f' i m * carried m l))) by (intros; ring).
    rewrite rsum_plus, rdelta_l, rsum_scal, functional_carried by auto. ring.
  - intros k l Hk Hl. unfold mul, carried_back.
    rewrite (rsum_ext d _ (fun m => rsum N (fun j => carried k m * a j m * right' j l))).
    2:{ intros m _. rewrite <- rsum_scal. apply rsum_ext; intros; ring. }
    rewrite rsum_swap. rewrite (rsum_ext N _ (fun j => a' j k * right' j l)). rewrite Hright' by auto. reflexivity.
    intros j Hj. rewrite rsum_scal_r. now rewrite vector_carried.
Qed.
End OneDirection.

Theorem same_gram d d' N p eta a f a' f' right right' left left' : probability N p -> (0 < d)%nat -> (0 < d')%nat ->
  (forall i j, (i < N)%nat -> (j < N)%nat -> pairing d (f i) (a j) = pairing d' (f' i) (a' j)) ->
  (forall k l, (k < d)%nat -> (l < d)%nat -> rsum N (fun j => a j k * right j l) = rdelta k l) ->
  (forall k l, (k < d')%nat -> (l < d')%nat -> rsum N (fun j => a' j k * right' j l) = rdelta k l) ->
  (forall k l, (k < d)%nat -> (l < d)%nat -> rsum N (fun i => left i k * f i l) = rdelta k l) ->
  (forall k l, (k < d')%nat -> (l < d')%nat -> rsum N (fun i => left' i k * f' i l) = rdelta k l) ->
  lyapunov d' N p (fun i => pull_step eta (a' i) (f' i)) = lyapunov d N p (fun i => pull_step eta (a i) (f i)).
Proof.
  intros Hp Hd Hd' Hgram H1 H2 H3 H4. apply ext_le_antisym.
  - now apply (same_gram_le d d' N p eta a f a' f' right right' left').
  - apply (same_gram_le d' d N p eta a' f' a f right' right left); auto. intros i j Hi Hj. symmetry. now apply Hgram.
Qed.

(* The gradients g_0, ..., g_(N-1) in orthonormal coordinates of their span, of dimension N since K is positive definite: `inverse` is the inverse
   of the matrix with the rows g_i. *)
Theorem lambda_of_gradients K eta (g : nat -> vec) (inverse : mat) : (0 < length K)%nat -> let N := length K in
  (forall i j, (i < N)%nat -> (j < N)%nat -> pairing N (g i) (g j) = Q2R (qentry K i j)) ->
  entries_eq N N (mul N (fun i k => g i k) inverse) eye -> entries_eq N N (mul N inverse (fun i k => g i k)) eye ->
  lambda K eta = lyapunov N N (fun _ => / INR N) (fun i => pull_step (Q2R eta) (g i) (g i)).
Proof.
  intros HN N Hgram H1 H2. rewrite lambda_meaning by auto. fold N. assert (HNR : 0 < INR N) by (now apply lt_0_INR).
  assert (E1 : forall i, (i < N)%nat -> forall v, rsum N (fun k => rdelta k i * v k) = v i).
  { intros i Hi v. rewrite (rsum_ext N _ (fun k => rdelta i k * v k)). now apply rdelta_l. intros k _. unfold rdelta. now rewrite (Nat.eqb_sym k i). }
  apply (same_gram N N N (fun _ => / INR N) (Q2R eta) g g (fun i j => Q2R (qentry K j i)) (fun i k => rdelta k i)
    (fun j l => inverse l j) (fun j l => rsum N (fun m => inverse m j * inverse m l)) (fun i k => inverse k i) (fun i k => rdelta k i)); auto.
  - split. intros; now apply Rinv_0_lt_compat. rewrite rsum_const. field. lra.
  - intros i j Hi Hj. rewrite Hgram by auto. unfold pairing. now rewrite E1.
  - intros k l Hk Hl. specialize (H2 l k Hl Hk). unfold mul, eye in H2. unfold rdelta. rewrite (Nat.eqb_sym k l), <- H2. apply rsum_ext; intros; ring.
  - intros k l Hk Hl. rewrite (rsum_ext N _ (fun j => rsum N (fun n => g k n * rsum N (fun m => (g j n * inverse m j) * inverse m l)))).
    2:{ intros j Hj. rewrite <- Hgram by auto. unfold pairing. rewrite <- rsum_scal_r. apply rsum_ext. intros n Hn. rewrite Rmult_assoc. f_equal.
        rewrite <- rsum_scal. apply rsum_ext; intros; ring. }
    rewrite rsum_swap. rewrite (rsum_ext N _ (fun n => g k n * inverse n l)). apply H1; auto.
    intros n Hn. rewrite rsum_scal. f_equal. rewrite rsum_swap. rewrite (rsum_ext N _ (fun m => rdelta n m * inverse m l)). exact (rdelta_l N n (fun m => inverse m l) Hn).
    intros m Hm. rewrite rsum_scal_r. f_equal. specialize (H2 m n Hm Hn). unfold mul, eye in H2. unfold rdelta. rewrite (Nat.eqb_sym n m), <- H2. apply rsum_ext; intros; ring.
  - intros k l Hk Hl. rewrite (rdelta_l N k (fun i => rdelta l i)) by auto. unfold rdelta. now rewrite Nat.eqb_sym.
Qed.

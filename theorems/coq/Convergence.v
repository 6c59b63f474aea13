(* Fact T3, one direction: where the exponent is negative, E ln |v_n| tends to -infinity at a linear rate along the random orbit
   v_n = A_{i_n} ... A_{i_1} v_0, from every start. (E ln max(|v_n|, delta |v_0|) >= E ln |v_n|, and it is finite where v_n may be 0.) *)
From Coq Require Import Reals Lra Lia Arith.
From SgdVerify Require Import Sums Logarithms ExtendedReals Matrices RandomProducts Exponent.
Open Scope R_scope.

Theorem orbits_converge d N p A : probability N p -> (0 < d)%nat -> (lyapunov d N p A < 0)%ext ->
  exists c n0, 0 < c /\ forall n v, (n0 <= n)%nat -> 0 < norm d v ->
    exists delta, 0 < delta /\ orbit_mean d N p A n (fun u => ln (Rmax (norm d u) (delta * norm d v))) v <= ln (norm d v) - c * INR n.
Proof.
  intros Hp Hd Hneg.
  assert (Hx : exists x, x < 0 /\ grows_at_most d N p A x).
  { pose proof (lyapunov_at_most d N p A Hp Hd) as H. unfold ext_lt in Hneg. destruct (lyapunov d N p A) as [|l].
    - exists (-1). split; [lra | now apply H].
    - exists l. simpl in Hneg. split; [lra | apply H; simpl; lra]. }
  destruct Hx as [x [Hx Hgrow]]. destruct (Hgrow (x / 2)) as [n0 Hn0]; [lra|]. exists (- x / 2), n0. split; [lra|].
  intros n v Hn Hv. destruct (Hn0 n Hn) as [delta [Hdelta H]]. exists delta. split; auto.
  rewrite <- (word_mean_orbit_eye d N p A n (fun u => ln (Rmax (norm d u) (delta * norm d v))) v).
  2:{ intros u u' Hu. now rewrite (norm_ext d _ _ Hu). }
  apply Rle_trans with (word_mean d N p A n (fun M => ln (norm d v) + ln (Rmax (frobenius d M) delta)) eye).
  - apply (word_mean_le_everywhere d N p A Hp). intros M.
    assert (HM : 0 < Rmax (frobenius d M) delta) by (eapply Rlt_le_trans; [exact Hdelta | apply Rmax_r]).
    rewrite <- ln_mult by auto. apply ln_le_ln. eapply Rlt_le_trans; [| apply Rmax_r]. now apply Rmult_lt_0_compat.
    apply Rmax_lub.
    + eapply Rle_trans; [apply norm_mulv|]. rewrite Rmult_comm. apply Rmult_le_compat_l; [lra | apply Rmax_l].
    + rewrite Rmult_comm. apply Rmult_le_compat_l; [lra | apply Rmax_r].
  - rewrite (word_mean_plus d N p A n (fun _ => ln (norm d v))), (word_mean_const d N p A Hp). unfold truncated_log in H. lra.
Qed.
